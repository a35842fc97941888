/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/base36.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#define BASE 36

/* Divides the number in place and returns the remainder. */
static unsigned divide(uint8_t *number, size_t size)
{
    unsigned rest = 0;

    for (size_t i = 0; i < size; i++) {
        rest = rest << 8 | number[i];
        number[i] = (uint8_t) (rest / BASE);
        rest %= BASE;
    }
    return rest;
}

/* number = number * 36 + digit; what no longer fits is returned. */
static unsigned multiply_add(uint8_t *number, size_t size, unsigned digit)
{
    for (size_t i = size; i > 0; i--) {
        digit += number[i - 1] * BASE;
        number[i - 1] = (uint8_t) digit;
        digit >>= 8;
    }
    return digit;
}

int base36_encode(const void *data, size_t size, size_t width, char *ret)
{
    uint8_t number[BASE36_BYTES_MAX];
    char text[BASE36_DIGITS_MAX];
    int r = 0;

    if (size > BASE36_BYTES_MAX || width > BASE36_DIGITS_MAX)
        return -EINVAL;
    memcpy(number, data, size);
    for (size_t i = width; i > 0; i--) {
        unsigned digit = divide(number, size);

        text[i - 1] = (char) (digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
    if (sodium_is_zero(number, size)) {
        memcpy(ret, text, width);
        ret[width] = '\0';
    } else
        r = -EOVERFLOW;
    sodium_memzero(number, sizeof(number));
    sodium_memzero(text, sizeof(text));
    return r;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    return -EINVAL;
}

static int decode(const char *text, size_t n, uint8_t *number, size_t size)
{
    int overflow = 0, digit;

    for (size_t i = 0; i < n; i++) {
        digit = digit_of(text[i]);
        if (digit < 0)
            return digit;
        if (multiply_add(number, size, (unsigned) digit) != 0)
            overflow = -EOVERFLOW;
    }
    return overflow;
}

int base36_decode(const char *text, size_t n, void *ret, size_t size)
{
    uint8_t number[BASE36_BYTES_MAX] = {};
    int r;

    if (n == 0 || n > BASE36_DIGITS_MAX || size > BASE36_BYTES_MAX)
        return -EINVAL;
    r = decode(text, n, number, size);
    if (r == 0)
        memcpy(ret, number, size);
    sodium_memzero(number, sizeof(number));
    return r;
}
