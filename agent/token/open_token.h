/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"

/* TOKEN_OPEN: the errnos and texts of token/token_protocol.h. */
int token_open(const void *json, size_t size, struct secret *ret_passphrase, struct error *e);
