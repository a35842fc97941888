/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/utf8.h"

#include <stdint.h>

/* Bytes of the sequence that begins here, 0 when it is malformed. */
static unsigned sequence_length(const uint8_t *s)
{
    unsigned length;
    uint32_t c;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        length = 2;
        c = s[0] & 0x1f;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        length = 3;
        c = s[0] & 0x0f;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        length = 4;
        c = s[0] & 0x07;
    } else
        return 0;

    for (unsigned i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) /* the final NUL too */
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if ((length == 3 && c < 0x800) || (length == 4 && c < 0x10000) || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    return length;
}

bool utf8_is_valid(const char *text)
{
    for (const uint8_t *s = (const uint8_t *) text; *s;) {
        unsigned length = sequence_length(s);

        if (length == 0)
            return false;
        s += length;
    }
    return true;
}
