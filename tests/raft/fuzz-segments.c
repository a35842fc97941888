/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "raft/bytes.h"
#include "raft/segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_entry(void *data, const struct segment_entry *e)
{
    uint64_t *sum = data;

    for (size_t i = 0; i < e->size; i++)
        *sum += e->data[i];
    return 0;
}

/* Checksums that match, or no mutation would get past them. */
static void mend_sums(unsigned char *file, size_t size)
{
    size_t at = SEGMENT_START;

    if (size < at)
        return;
    put_u64(file, SEGMENT_FORMAT);
    while (size - at >= 16) {
        uint64_t n = get_u64(file + at + 8) % 16, head = 8 + n * 16, data = 0;

        if (size - at < 8 + head)
            return;
        for (uint64_t i = 0; i < n; i++)
            data += get_u32(file + at + 16 + i * 16 + 12);
        put_u32(file + at, segment_crc(0, file + at + 8, head));
        if (size - at - 8 - head < data)
            return;
        put_u32(file + at + 4, segment_crc(0, file + at + 8 + head, data));
        at += 8 + head + data;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    struct segment_end end;
    uint64_t sum = 0;

    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    for (unsigned i = 0; i < 2; i++) {
        if (segment_read(copy, size, on_entry, &sum, &end) != 0 || end.offset > size)
            abort();
        mend_sums(copy, size);
    }
    free(copy);
    return 0;
}
