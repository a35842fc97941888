/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/secret.h"

/* SWMTKN-1-<50 digits>-<25 digits>, base36: the SHA-256 of the swarm's CA certificate, by which the joining node knows the swarm, and the
 * secret by which the swarm knows the node and its role. */

#define JOIN_TOKEN_PREFIX "SWMTKN-1-"
#define JOIN_TOKEN_TEXT_LEN 85
#define JOIN_TOKEN_SECRET_SIZE 16
#define JOIN_TOKEN_DIGEST_SIZE 32

/* Of the PEM as it is stored, its final newline included. Always 0. */
int join_token_ca_digest(const void *pem, size_t size, unsigned char ret[static JOIN_TOKEN_DIGEST_SIZE]);

/* JOIN_TOKEN_TEXT_LEN bytes, not terminated. -EINVAL when the secret has not JOIN_TOKEN_SECRET_SIZE bytes. */
int join_token_format(const unsigned char ca_digest[static JOIN_TOKEN_DIGEST_SIZE], const struct secret *secret,
                      struct secret *ret_text);

/* Reads a text of n bytes; one final newline is allowed. -EINVAL for anything else, -ENOMEM. */
int join_token_parse(const void *text, size_t n, unsigned char ret_ca_digest[static JOIN_TOKEN_DIGEST_SIZE], struct secret *ret_secret);
