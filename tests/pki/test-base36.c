/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "basic/secret.h"
#include "pki/base36.h"
#include "pki/id.h"

static void check_pair(const void *number, size_t size, const char *text)
{
    char encoded[BASE36_DIGITS_MAX + 1];
    uint8_t decoded[BASE36_BYTES_MAX];

    CHECK_OK(base36_encode(number, size, strlen(text), encoded));
    CHECK(strcmp(encoded, text) == 0);
    CHECK_OK(base36_decode(text, strlen(text), decoded, size));
    CHECK(memcmp(decoded, number, size) == 0);
}

static void test_known(void)
{
    static const uint8_t most[16] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };

    check_pair("\0", 1, "0");
    check_pair("\0\0\0\0", 4, "000");
    check_pair("\x23", 1, "z");
    check_pair("\x24", 1, "10");
    check_pair("\xff", 1, "73");
    check_pair("\x01\x00", 2, "74");
    check_pair("\xff\xff\xff\xff", 4, "1z141z3");
    check_pair("\x00\x24", 2, "0010");
    check_pair(most, 16, "f5lxx1zz5pnorynqglhzmsp33"); /* 2^128 - 1 */
}

static void test_limits(void)
{
    static const uint8_t number[BASE36_BYTES_MAX + 1] = { 1 };
    static const char digits[] = "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
                                 "0";
    char text[BASE36_DIGITS_MAX + 2] = "untouched";
    uint8_t bytes[BASE36_BYTES_MAX + 1] = { 77 };

    CHECK(base36_encode("\x24", 1, 1, text) == -EOVERFLOW && strcmp(text, "untouched") == 0);
    CHECK(base36_encode("\x01", 1, 0, text) == -EOVERFLOW);
    CHECK(base36_encode(number, BASE36_BYTES_MAX + 1, 100, text) == -EINVAL);
    CHECK(base36_encode(number, 1, BASE36_DIGITS_MAX + 1, text) == -EINVAL && strcmp(text, "untouched") == 0);
    CHECK_OK(base36_encode(number, BASE36_BYTES_MAX, BASE36_DIGITS_MAX, text));
    CHECK(strlen(text) == BASE36_DIGITS_MAX);

    CHECK(base36_decode("74", 2, bytes, 1) == -EOVERFLOW && bytes[0] == 77);
    CHECK(base36_decode("", 0, bytes, 1) == -EINVAL);
    CHECK(base36_decode(digits, BASE36_DIGITS_MAX + 1, bytes, 1) == -EINVAL);
    CHECK(base36_decode("1", 1, bytes, BASE36_BYTES_MAX + 1) == -EINVAL && bytes[0] == 77);
    CHECK_OK(base36_decode(digits, BASE36_DIGITS_MAX, bytes, 1));
    CHECK(bytes[0] == 0);
    for (unsigned c = 0; c < 256; c++) {
        char one[3] = { '0', (char) c, '0' };
        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');

        CHECK(base36_decode(one, 3, bytes, 4) == (good ? 0 : -EINVAL));
    }
}

static void test_round_trips(void)
{
    for (unsigned i = 0; i < 2000; i++) {
        size_t size = 1 + randombytes_uniform(BASE36_BYTES_MAX), width = size * 8 * 100 / 516 + 1;
        uint8_t number[BASE36_BYTES_MAX], decoded[BASE36_BYTES_MAX];
        char text[BASE36_DIGITS_MAX + 1];

        randombytes_buf(number, size);
        CHECK_OK(base36_encode(number, size, width, text));
        CHECK(strlen(text) == width);
        CHECK_OK(base36_decode(text, width, decoded, size));
        CHECK(memcmp(number, decoded, size) == 0);
    }
}

static void test_ids(void)
{
    char a[ID_LEN + 1], b[ID_LEN + 1];

    for (unsigned i = 0; i < 1000; i++) {
        id_new(a);
        id_new(b);
        CHECK(strlen(a) == ID_LEN && id_is_valid(a) && strcmp(a, b) != 0);
    }
    CHECK(!id_is_valid(NULL) && !id_is_valid(""));
    a[3] = 'A';
    CHECK(!id_is_valid(a));
    b[24] = '\0';
    CHECK(!id_is_valid(b));
    CHECK(!id_is_valid("00000000000000000000000000"));
}

int main(void)
{
    CHECK_OK(secret_init());
    test_known();
    test_limits();
    test_round_trips();
    test_ids();
    return 0;
}
