/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "token/token_json.h"

/* Makes a plugin's errno, and what was said on standard error meanwhile, into words and an errno of token/token_protocol.h. */
int refusal(const struct token *token, int code, const char *said, struct error *e);
