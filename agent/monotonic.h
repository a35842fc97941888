/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <time.h>

/* Times that no clock change moves, in milliseconds. */

#define NEVER INT64_MAX

static inline int64_t monotonic_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What poll(2) wants for waiting until then; -1 for NEVER. */
static inline int monotonic_timeout(int64_t until)
{
    int64_t left;

    if (until == NEVER)
        return -1;
    left = until - monotonic_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int) left;
}
