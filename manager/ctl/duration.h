/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "basic/error.h"

/* "90s", "30m", "24h", "7d": a whole number above 0 and its unit, up to a year. STATUS_OK or STATUS_USAGE. */
int duration_parse(const char *option, const char *text, uint64_t *ret_seconds, struct error *e);
