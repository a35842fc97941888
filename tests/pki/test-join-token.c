/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "pki/join_token.h"

static const unsigned char digest[JOIN_TOKEN_DIGEST_SIZE] = {
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
    0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0,
};

/* Computed apart, with Python's integers. */
#define KNOWN "SWMTKN-1-0025tsaa3kryihh9yqan62vuojvck0djrhhqkmcxe12mnevk6o-6tz50teptp4m4czu7tuqtwgf5"

static void make_known(struct secret *ret)
{
    _cleanup_(secret_done) struct secret half = SECRET_NULL;

    CHECK_OK(secret_copy("sixteen  bytes !", JOIN_TOKEN_SECRET_SIZE, &half));
    CHECK_OK(join_token_format(digest, &half, ret));
}

static void test_known(void)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL, half = SECRET_NULL;
    unsigned char parsed[JOIN_TOKEN_DIGEST_SIZE];

    make_known(&text);
    CHECK(text.size == JOIN_TOKEN_TEXT_LEN && strlen(KNOWN) == JOIN_TOKEN_TEXT_LEN);
    CHECK(memcmp(text.data, KNOWN, text.size) == 0);
    CHECK_OK(join_token_parse(text.data, text.size, parsed, &half));
    CHECK(memcmp(parsed, digest, sizeof(digest)) == 0);
    CHECK(half.size == JOIN_TOKEN_SECRET_SIZE && memcmp(half.data, "sixteen  bytes !", half.size) == 0);
}

static void test_digest(void)
{
    static const unsigned char expected[] = { /* of "abc", FIPS 180-2 */
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    unsigned char got[JOIN_TOKEN_DIGEST_SIZE];

    CHECK_OK(join_token_ca_digest("abc", 3, got));
    CHECK(memcmp(got, expected, sizeof(got)) == 0);
}

static void refuse(const char *text, size_t n)
{
    _cleanup_(secret_done) struct secret half = SECRET_NULL;
    unsigned char parsed[JOIN_TOKEN_DIGEST_SIZE] = { 42 };

    CHECK(join_token_parse(text, n, parsed, &half) == -EINVAL);
    CHECK(!half.data && parsed[0] == 42);
}

static void test_malformed(void)
{
    _cleanup_(secret_done) struct secret half = SECRET_NULL, text = SECRET_NULL;
    unsigned char parsed[JOIN_TOKEN_DIGEST_SIZE];
    char t[JOIN_TOKEN_TEXT_LEN + 3];

    memcpy(t, KNOWN "\n\n", sizeof(t));
    CHECK_OK(join_token_parse(t, JOIN_TOKEN_TEXT_LEN + 1, parsed, &half));
    for (size_t n = 0; n < sizeof(t); n++)
        if (n != JOIN_TOKEN_TEXT_LEN && n != JOIN_TOKEN_TEXT_LEN + 1)
            refuse(t, n);
    /* no place takes a capital, a blank or a dash where none belongs */
    for (size_t i = 0; i < JOIN_TOKEN_TEXT_LEN; i++)
        for (const char *c = "A -_\n\xff/:`{"; *c; c++) {
            memcpy(t, KNOWN, JOIN_TOKEN_TEXT_LEN);
            if (t[i] != *c && !(i == 3 && *c == 'A')) {
                t[i] = *c;
                refuse(t, JOIN_TOKEN_TEXT_LEN);
            }
        }
    memcpy(t, KNOWN, JOIN_TOKEN_TEXT_LEN);
    memset(t + 9, 'z', 50); /* more than 256 bits */
    refuse(t, JOIN_TOKEN_TEXT_LEN);
    memcpy(t, KNOWN, JOIN_TOKEN_TEXT_LEN);
    memset(t + 60, 'z', 25); /* more than 128 bits */
    refuse(t, JOIN_TOKEN_TEXT_LEN);
    refuse("SWMKEY-1-", 9);

    secret_truncate(&half, 15);
    CHECK(join_token_format(digest, &half, &text) == -EINVAL && !text.data);
}

int main(void)
{
    CHECK_OK(secret_init());
    test_known();
    test_digest();
    test_malformed();
    return 0;
}
