/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"

/* "Error: …" on standard error, unless there is no text. */
void report_error(const struct error *e);
