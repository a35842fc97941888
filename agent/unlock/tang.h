/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "basic/error.h"

/* The client's side of the McCallum-Relyea exchange (https://github.com/latchset/tang, "Recovery"), without the network. The server, whose
 * key is S = sG, never learns the key K = sC that it helps to recover: it is asked for s(C + E), E = eG being random, and sE = eS is
 * taken off its answer. */

/* A JWE as clevis's tang pin makes it, bound to the first exchange key of adv ({"keys":[…]}). -EINVAL: adv has none of use. */
int tang_encrypt(const char *url, const json_t *adv, const void *plaintext, size_t size, json_t **ret_parts, struct error *e);

/* What to POST to URL/rec/KID for a JWE's client key C ("epk"), and e, which the answer will need. -EINVAL: C is no point. */
int tang_ask(const json_t *epk, json_t **ret_ephemeral, char **ret_request);

/* K, from a server's answer. server: the JWK S. -EHOSTUNREACH: the answer is no point of that curve; -EINVAL: S is none. */
int tang_recover(const json_t *server, const json_t *ephemeral, const void *answer, size_t size, json_t **ret_key);
