/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Numbers as lowercase base36, the digits of ids and join tokens. What they pass through on the way is erased. */

#define BASE36_BYTES_MAX 64
#define BASE36_DIGITS_MAX 100

/* The big-endian number in data as exactly width digits, padded with 0 on the left; ret has width + 1 bytes. -EOVERFLOW when it needs more
 * digits, -EINVAL over the maxima above. */
int base36_encode(const void *data, size_t size, size_t width, char *ret);

/* Exactly n digits to a big-endian number of exactly size bytes. -EINVAL for any other character (capitals too), no digit, or over the
 * maxima; -EOVERFLOW when the number needs more bytes. */
int base36_decode(const char *text, size_t n, void *ret, size_t size);
