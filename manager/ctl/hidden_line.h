/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/secret.h"

/* Prompts on the terminal that standard input is and reads a line without echo into buffer; *ret_n is its length. -EMSGSIZE when it does not
 * fit, -EINTR after a signal that the process survives. */
int hidden_line_read(const char *prompt, struct secret *buffer, size_t *ret_n);
