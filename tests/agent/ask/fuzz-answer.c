/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ask/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int truncated = 0; truncated < 2; truncated++) {
        size_t n = SIZE_MAX;
        int r = answer_parse(data, size, truncated, &n);

        if (r == ANSWER_PASSWORD ? n > ASK_ANSWER_MAX || n >= size || memchr(data + 1, 0, n) : n != SIZE_MAX)
            abort();
    }
    return 0;
}
