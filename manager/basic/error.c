/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/error.h"

#include <stdarg.h>

int error_set(struct error *e, int code, const char *format, ...)
{
    va_list ap;

    if (!e)
        return code;
    va_start(ap, format);
    (void) vsnprintf(e->text, sizeof(e->text), format, ap);
    va_end(ap);
    return code;
}
