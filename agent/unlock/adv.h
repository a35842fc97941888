/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "basic/error.h"

/* What a Tang server answers to GET /adv: a JWS (RFC 7515) over its public keys, signed by each of its signing keys. */
struct adv {
    json_t *jws;
    json_t *keys; /* {"keys":[…]}: at least one for signing and one for the exchange */
};

#define ADV_NULL ((struct adv) { NULL, NULL })

/* -EHOSTUNREACH, as an answer of no use, when it has no valid form or lacks one of its signatures. The text is without the server's name. */
int adv_parse(const void *text, size_t size, struct adv *ret, struct error *e);

/* Some signature is this key's. */
bool adv_is_signed_by(const struct adv *a, const json_t *key);

void adv_done(struct adv *a);
