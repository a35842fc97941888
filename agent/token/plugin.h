/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"
#include "token/scratch.h"
#include "token/token_json.h"

/* Asks systemd's plugin for libcryptsetup for the passphrase of the token of that number in the header, without a PIN. What failed is told
 * as people need it: -EKEYREJECTED, -EHOSTUNREACH, -EOPNOTSUPP, -EINVAL (token/token_protocol.h), or -ENOMEM. */
int plugin_open(struct scratch *s, int id, const struct token *token, struct secret *ret_passphrase, struct error *e);
