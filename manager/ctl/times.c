/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/times.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define SECOND 1000000U
#define YEAR_9999 UINT64_C(253402300799) /* its last second: RFC 3339 ends there */

void times_rfc3339(uint64_t when, char ret[static TIMES_TEXT_MAX])
{
    uint64_t seconds = when / SECOND;
    time_t t = (time_t) (seconds < YEAR_9999 ? seconds : YEAR_9999);
    struct tm tm;
    char text[TIMES_TEXT_MAX / 2];

    (void) gmtime_r(&t, &tm);
    (void) strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void) snprintf(ret, TIMES_TEXT_MAX, "%s.%06" PRIu64 "000Z", text, when % SECOND);
}

void times_ago(uint64_t now, uint64_t when, char ret[static TIMES_TEXT_MAX])
{
    uint64_t s = now > when ? (now - when) / SECOND : 0;
    uint64_t minutes = s / 60, hours = (s + 1800) / 3600;

    if (s < 1)
        (void) snprintf(ret, TIMES_TEXT_MAX, "Less than a second ago");
    else if (s == 1)
        (void) snprintf(ret, TIMES_TEXT_MAX, "1 second ago");
    else if (s < 60)
        (void) snprintf(ret, TIMES_TEXT_MAX, "%" PRIu64 " seconds ago", s);
    else if (minutes == 1)
        (void) snprintf(ret, TIMES_TEXT_MAX, "About a minute ago");
    else if (minutes < 60)
        (void) snprintf(ret, TIMES_TEXT_MAX, "%" PRIu64 " minutes ago", minutes);
    else if (hours == 1)
        (void) snprintf(ret, TIMES_TEXT_MAX, "About an hour ago");
    else if (hours < 48)
        (void) snprintf(ret, TIMES_TEXT_MAX, "%" PRIu64 " hours ago", hours);
    else if (hours < 24 * 7 * 2)
        (void) snprintf(ret, TIMES_TEXT_MAX, "%" PRIu64 " days ago", hours / 24);
    else if (hours < 24 * 30 * 2)
        (void) snprintf(ret, TIMES_TEXT_MAX, "%" PRIu64 " weeks ago", hours / 24 / 7);
    else if (hours < 24 * 365 * 2)
        (void) snprintf(ret, TIMES_TEXT_MAX, "%" PRIu64 " months ago", hours / 24 / 30);
    else
        (void) snprintf(ret, TIMES_TEXT_MAX, "%" PRIu64 " years ago", s / 3600 / 24 / 365);
}

uint64_t times_now(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t) t.tv_sec * SECOND + (uint64_t) t.tv_nsec / 1000;
}
