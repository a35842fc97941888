/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/duration.h"

#include <string.h>

#include "ctl/status.h"

#define SECONDS_MAX (366U * 24 * 3600)
#define DIGITS_MAX 9

static uint64_t unit_seconds(const char *unit)
{
    return strcmp(unit, "s") == 0 ? 1 : strcmp(unit, "m") == 0 ? 60 : strcmp(unit, "h") == 0 ? 3600 : strcmp(unit, "d") == 0 ? 24 * 3600 : 0;
}

int duration_parse(const char *option, const char *text, uint64_t *ret_seconds, struct error *e)
{
    size_t n = strspn(text, "0123456789");
    uint64_t seconds = 0;

    for (size_t i = 0; i < n && n <= DIGITS_MAX; i++)
        seconds = seconds * 10 + (uint64_t) (text[i] - '0');
    seconds *= unit_seconds(text + n);
    if (seconds == 0 || seconds > SECONDS_MAX)
        return error_set(e, STATUS_USAGE, "--%s is a time like 90s, 30m, 24h or 7d, of a year at most: not \"%s\"", option, text);
    *ret_seconds = seconds;
    return STATUS_OK;
}
