/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "units/drop_ins.h"
#include "units/update.h"

/* The bodies of units_protocol.h, from malloc; NULL: no memory. */
char *units_reply_drop_ins(const struct drop_ins_report *report);
char *units_reply_update(const struct update_result *result);
char *units_reply_state(const char *const *active, size_t n);
