/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/report.h"

#include <string.h>

#include "ctl/escape.h"

void report_error(const struct error *e)
{
    _cleanup_free_ char *text = escape(e->text, strlen(e->text), ESCAPE_TEXT);

    if (e->text[0] != '\0')
        (void) fprintf(stderr, "Error: %s\n", text ? text : "out of memory");
}
