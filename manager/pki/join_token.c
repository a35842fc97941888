/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/join_token.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "basic/cleanup.h"
#include "pki/base36.h"

#define PREFIX_LEN (sizeof(JOIN_TOKEN_PREFIX) - 1)
#define DIGEST_DIGITS 50
#define SECRET_DIGITS 25
#define DASH_AT (PREFIX_LEN + DIGEST_DIGITS)

_Static_assert(DASH_AT + 1 + SECRET_DIGITS == JOIN_TOKEN_TEXT_LEN, "length of a join token");

int join_token_ca_digest(const void *pem, size_t size, unsigned char ret[static JOIN_TOKEN_DIGEST_SIZE])
{
    (void) crypto_hash_sha256(ret, pem, size);
    return 0;
}

int join_token_format(const unsigned char ca_digest[static JOIN_TOKEN_DIGEST_SIZE], const struct secret *secret,
                      struct secret *ret_text)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    char *at;
    int r;

    if (secret->size != JOIN_TOKEN_SECRET_SIZE)
        return -EINVAL;
    r = secret_new(JOIN_TOKEN_TEXT_LEN + 1, &text); /* base36_encode ends with a NUL */
    if (r < 0)
        return r;
    at = (char *) text.data;
    memcpy(at, JOIN_TOKEN_PREFIX, PREFIX_LEN);
    r = base36_encode(ca_digest, JOIN_TOKEN_DIGEST_SIZE, DIGEST_DIGITS, at + PREFIX_LEN);
    if (r < 0)
        return r;
    at[DASH_AT] = '-';
    r = base36_encode(secret->data, secret->size, SECRET_DIGITS, at + DASH_AT + 1);
    if (r < 0)
        return r;
    secret_truncate(&text, JOIN_TOKEN_TEXT_LEN);
    *ret_text = secret_take(&text);
    return 0;
}

int join_token_parse(const void *text, size_t n, unsigned char ret_ca_digest[static JOIN_TOKEN_DIGEST_SIZE], struct secret *ret_secret)
{
    _cleanup_(secret_done) struct secret secret = SECRET_NULL;
    unsigned char digest[JOIN_TOKEN_DIGEST_SIZE];
    const char *t = text;
    int r;

    if (n == JOIN_TOKEN_TEXT_LEN + 1 && t[JOIN_TOKEN_TEXT_LEN] == '\n')
        n--;
    if (n != JOIN_TOKEN_TEXT_LEN || memcmp(t, JOIN_TOKEN_PREFIX, PREFIX_LEN) != 0 || t[DASH_AT] != '-')
        return -EINVAL;
    if (base36_decode(t + PREFIX_LEN, DIGEST_DIGITS, digest, sizeof(digest)) < 0)
        return -EINVAL;
    r = secret_new(JOIN_TOKEN_SECRET_SIZE, &secret);
    if (r < 0)
        return r;
    if (base36_decode(t + DASH_AT + 1, SECRET_DIGITS, secret.data, secret.size) < 0)
        return -EINVAL;
    memcpy(ret_ca_digest, digest, sizeof(digest));
    *ret_secret = secret_take(&secret);
    return 0;
}
