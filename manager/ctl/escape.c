/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPANSION_MAX 6 /* one byte of input becomes at most "\uNNNN" */

/* Takes one character of n > 0 bytes. Returns its length, 1 for a byte that begins none: then *ret_valid is false. */
static size_t character(const unsigned char *p, size_t n, uint32_t *ret_code, bool *ret_valid)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    uint32_t code = p[0];
    bool valid = length > 0 && length <= n;

    if (valid && length > 1) {
        code &= 0x7fU >> length;
        for (size_t i = 1; i < length; i++) {
            valid = valid && (p[i] & 0xc0) == 0x80;
            code = code << 6 | (p[i] & 0x3fU);
        }
        valid = valid && code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    }
    *ret_code = valid ? code : p[0];
    *ret_valid = valid;
    return valid ? length : 1;
}

static bool is_safe(uint32_t code, enum escape how)
{
    if (code < 0x20)
        return how == ESCAPE_JSON;
    if (code >= 0x7f && code < 0xa0)
        return false;
    return !((code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069));
}

bool escape_is_clean(const char *text, size_t n, enum escape how)
{
    const unsigned char *p = (const unsigned char *) text;

    for (size_t i = 0; i < n;) {
        uint32_t code;
        bool valid;

        i += character(p + i, n - i, &code, &valid);
        if (!valid || !is_safe(code, how))
            return false;
    }
    return true;
}

static int replacement(char *to, uint32_t code, bool valid, enum escape how)
{
    if (how == ESCAPE_JSON)
        return sprintf(to, "\\u%04x", valid ? code : 0xfffd);
    if (valid && code == '\n')
        return sprintf(to, "\\n");
    return sprintf(to, valid && code > 0xff ? "\\u%04x" : "\\x%02x", code);
}

char *escape(const char *text, size_t n, enum escape how)
{
    const unsigned char *p = (const unsigned char *) text;
    char *to, *result;

    if (n > (SIZE_MAX - 1) / EXPANSION_MAX)
        return NULL;
    result = to = malloc(n * EXPANSION_MAX + 1);
    if (!result)
        return NULL;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        bool valid;
        size_t length = character(p + i, n - i, &code, &valid);

        if (valid && is_safe(code, how))
            for (size_t k = 0; k < length; k++)
                *to++ = text[i + k];
        else
            to += replacement(to, code, valid, how);
        i += length;
    }
    *to = '\0';
    return result;
}
