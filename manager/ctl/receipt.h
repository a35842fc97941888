/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "ctl/call.h"

/* Ends the printing of an unlock key, and tells the manager that it has reached a person only when every byte of it got out. Until then the
 * manager keeps what was in force before, which the error says in the words of unless ("the old key still works"). old_key_expires: seconds, 0 for
 * the manager's default. An exit code. */
int receipt_confirm(struct caller *c, uint32_t generation, uint64_t old_key_expires, const char *unless, struct error *e);
