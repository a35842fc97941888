/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/unlock_key.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "basic/cleanup.h"

#define PREFIX_LEN (sizeof(UNLOCK_KEY_PREFIX) - 1)
#define DIGITS_LEN (UNLOCK_KEY_TEXT_LEN - PREFIX_LEN)

int unlock_key_generate(struct secret *ret)
{
    return secret_random(UNLOCK_KEY_SIZE, ret);
}

int unlock_key_format(const struct secret *key, struct secret *ret_text)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    int r;

    if (key->size != UNLOCK_KEY_SIZE)
        return -EINVAL;
    r = secret_new(UNLOCK_KEY_TEXT_LEN + 1, &text);
    if (r < 0)
        return r;
    memcpy(text.data, UNLOCK_KEY_PREFIX, PREFIX_LEN);
    (void) sodium_bin2base64((char *) text.data + PREFIX_LEN, DIGITS_LEN + 1, key->data, key->size,
                             sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    secret_truncate(&text, UNLOCK_KEY_TEXT_LEN);
    *ret_text = secret_take(&text);
    return 0;
}

/* libsodium 1.0.18 takes bytes from 0x80 on as digits. Looks at all of them, as the text is secret. */
static bool is_ascii(const unsigned char *p, size_t n)
{
    unsigned char any = 0;

    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any < 0x80;
}

int unlock_key_parse(const void *text, size_t n, struct secret *ret_key)
{
    _cleanup_(secret_done) struct secret digits = SECRET_NULL, key = SECRET_NULL;
    const unsigned char *p = text;
    size_t size;
    int r;

    if (n == UNLOCK_KEY_TEXT_LEN + 1 && p[UNLOCK_KEY_TEXT_LEN] == '\n')
        n--;
    if (n != UNLOCK_KEY_TEXT_LEN || memcmp(p, UNLOCK_KEY_PREFIX, PREFIX_LEN) != 0 || !is_ascii(p, n))
        return -EINVAL;

    /* One digit more makes 33 whole bytes of them: the two spare bits land in the last byte and are dropped with it. */
    r = secret_new(DIGITS_LEN + 1, &digits);
    if (r == 0)
        r = secret_new(UNLOCK_KEY_SIZE + 1, &key);
    if (r != 0)
        return r;
    memcpy(digits.data, p + PREFIX_LEN, DIGITS_LEN);
    digits.data[DIGITS_LEN] = 'A';
    if (sodium_base642bin(key.data, key.size, (char *) digits.data, digits.size, NULL, &size, NULL,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) < 0 ||
        size != key.size)
        return -EINVAL;
    secret_truncate(&key, UNLOCK_KEY_SIZE);
    *ret_key = secret_take(&key);
    return 0;
}
