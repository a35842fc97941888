/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TIMES_TEXT_MAX 48

/* Microseconds since 1970 as the reference writes them: 2024-05-06T07:08:09.123456000Z. */
void times_rfc3339(uint64_t when, char ret[static TIMES_TEXT_MAX]);

/* "5 seconds ago", in the reference's words. A moment that is still to come counts as now. */
void times_ago(uint64_t now, uint64_t when, char ret[static TIMES_TEXT_MAX]);

/* Microseconds since 1970. */
uint64_t times_now(void);
