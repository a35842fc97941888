/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask/answer.h"

#include <errno.h>
#include <string.h>

int answer_parse(const void *packet, size_t size, bool truncated, size_t *ret_size)
{
    const char *p = packet, *end;
    size_t length;

    if (size < 1)
        return -EINVAL;
    if (p[0] == '-')
        return ANSWER_CANCELLED;
    if (p[0] != '+')
        return -EINVAL;
    end = memchr(p + 1, 0, size - 1);
    length = end ? (size_t) (end - p) - 1 : size - 1;
    if (length > ASK_ANSWER_MAX || (truncated && !end))
        return ANSWER_TOO_LONG;
    *ret_size = length;
    return ANSWER_PASSWORD;
}
