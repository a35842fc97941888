/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/text.h"

#include <string.h>

#include "basic/utf8.h"

#define SEQUENCE_MAX 4

/* Bytes of the character that text begins with, 0 when it is none. */
static size_t character_length(const char *text)
{
    unsigned char first = (unsigned char) *text;
    size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : SEQUENCE_MAX;
    char character[SEQUENCE_MAX + 1] = "";

    if (first < 0x20 || first == 0x7f)
        return 0;
    memcpy(character, text, strnlen(text, n));
    return utf8_is_valid(character) ? n : 0;
}

void text_copy(char *to, size_t size, const char *from)
{
    size_t done = 0;

    while (*from) {
        size_t n = character_length(from), taken = n > 0 ? n : 1;

        if (done + taken >= size)
            break;
        if (n > 0)
            memmove(to + done, from, n);
        else
            to[done] = '?';
        done += taken;
        from += taken;
    }
    to[done] = '\0';
}
