/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* The keys that a Tang server advertises: {"keys":[JWK,…]} (RFC 7517). */

/* An object with 1..UNLOCK_KEYS_MAX keys. */
bool jwks_valid(const json_t *jwks);

/* The key says itself that it is for this operation (RFC 7517, 4.3): "verify", "deriveKey". */
bool jwk_is_for(const json_t *jwk, const char *operation);

/* New strings, or NULL: no such key type. */
json_t *jwk_thumbprint(const json_t *jwk);
json_t *jwks_signing_thumbprints(const json_t *jwks);

/* Borrowed; NULL when there is none. The thumbprint is S256, or S1, which clevis made once. */
const json_t *jwks_find(const json_t *jwks, const char *thumbprint);
const json_t *jwks_exchange_key(const json_t *jwks);

/* The same public key as {"kty":"EC","crv","x","y","alg":"ECMR"} and nothing else. NULL when it is none of that curve. */
json_t *jwk_point(const json_t *jwk, const char *curve);
