/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/error.h"

#include <stdarg.h>

void error_write(struct error *e, const char *format, ...)
{
    va_list ap;

    if (!e)
        return;
    va_start(ap, format);
    (void) vsnprintf(e->text, sizeof(e->text), format, ap);
    va_end(ap);
}
