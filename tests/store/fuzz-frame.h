/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A frame of the size that body needs, with a header that fits, so that a fuzzer's changes reach what lies behind the header. */
static inline uint8_t *fuzz_frame(const char *magic, const uint8_t *body, size_t size, size_t *ret_size)
{
    size_t whole = (8 + size + 7) / 8 * 8;
    uint8_t *frame = calloc(1, whole);

    if (!frame)
        abort();
    memcpy(frame, magic, 3);
    frame[3] = 3;
    for (unsigned i = 0; i < 4; i++)
        frame[4 + i] = (uint8_t) (size >> 8 * i);
    if (size > 0)
        memcpy(frame + 8, body, size);
    *ret_size = whole;
    return frame;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
