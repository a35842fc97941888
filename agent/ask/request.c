/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask/request.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Decodes the character at s (size ≥ 1). Its length, or 0 when it is no shortest-form UTF-8 of a Unicode scalar value. */
static size_t utf8_decode(const uint8_t *s, size_t size, uint32_t *ret)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
    uint32_t c;

    if (n == 0 || n > size)
        return 0;
    c = n == 1 ? s[0] : s[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *ret = c;
    return n;
}

/* Control characters would reach terminals and could add lines to the query file. */
static bool is_message(const uint8_t *s, size_t size)
{
    uint32_t c;

    /* the file's parsers take '\' at the end of a line as "goes on below" */
    if (s[size - 1] == '\\')
        return false;
    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_decode(s + i, size - i, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
    }
    return true;
}

int request_parse(const void *packet, size_t size, struct request *ret)
{
    const uint8_t *p = packet;
    size_t length;

    if (size < 1)
        return -EINVAL;
    if (p[0] != ASK_VERSION)
        return -EPROTONOSUPPORT;
    if (size > ASK_REQUEST_MAX)
        return -EMSGSIZE;
    if (size <= ASK_REQUEST_HEAD || (p[1] & ~ASK_FLAGS) != 0)
        return -EINVAL;
    length = size - ASK_REQUEST_HEAD;
    if (!is_message(p + ASK_REQUEST_HEAD, length))
        return -EINVAL;
    ret->id = NULL;
    ret->accept_cached = p[1] & ASK_FLAG_ACCEPT_CACHED;
    ret->agent = p[1] & ASK_FLAG_AGENT;
    memcpy(ret->message, p + ASK_REQUEST_HEAD, length);
    ret->message[length] = 0;
    return 0;
}
