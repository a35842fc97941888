/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "basic/error.h"
#include "basic/secret.h"

/* A JSON Web Encryption (RFC 7516) as clevis makes them: one recipient, everything in the protected header, A256GCM. */
struct jwe {
    json_t *parts;  /* the flattened form: ciphertext, encrypted_key, iv, protected, tag, all base64url */
    json_t *header; /* the protected header, decoded */
};

#define JWE_NULL ((struct jwe) { NULL, NULL })

/* Compact, flattened or general form. -EINVAL. */
int jwe_parse(const void *text, size_t size, struct jwe *ret, struct error *e);

/* Encrypts to key, a JWK. header has "alg"; "enc" and what the algorithm needs are added to it. -EINVAL: the key does not fit; -ENOMEM. */
int jwe_seal(json_t *header, const json_t *key, const void *plaintext, size_t size, json_t **ret_parts);

/* -EKEYREJECTED: another key, or changed bytes. */
int jwe_open(const struct jwe *j, const json_t *key, struct secret *ret);

/* The compact form, to be freed; NULL without memory. */
char *jwe_compact(const json_t *parts);

void jwe_done(struct jwe *j);
