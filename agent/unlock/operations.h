/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"

/* The operations of unlock_protocol.h that have one reply: its body. peer: whose hanging up ends it, or -1. The failures are those of
 * exchange/exchange.h and -ECANCELED. */
int operation_run(char operation, const struct secret *body, int peer, struct secret *ret, struct error *e);
