/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"

struct binding;

/* The plaintext of a JWE, from its servers: all are asked at once, and as soon as enough have answered the rest is dropped. peer: whose
 * hanging up ends it, or -1. -EHOSTUNREACH: too few servers answered, others may yet; -EKEYREJECTED: too many have refused or have other
 * keys; -ECANCELED. */
int recover(const struct binding *b, int peer, struct secret *ret, struct error *e);
