/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/segments.h"

#include <pthread.h>
#include <string.h>

#include "raft/bytes.h"

#define SUMS_SIZE 8
#define COUNT_SIZE 8
#define ITEM_SIZE 16 /* term, type, three unused bytes, size */

#define CRC_POLYNOMIAL 0x04c11db7U
#define CRC_STRIDE 8

static uint32_t crc_table[CRC_STRIDE][256];

static void crc_prepare(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i << 24;

        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc >> 31 ? CRC_POLYNOMIAL : 0);
        crc_table[0][i] = crc;
    }
    for (unsigned k = 1; k < CRC_STRIDE; k++)
        for (unsigned i = 0; i < 256; i++)
            crc_table[k][i] = crc_table[k - 1][i] << 8 ^ crc_table[0][crc_table[k - 1][i] >> 24];
}

uint32_t segment_crc(uint32_t crc, const void *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const unsigned char *p = data;

    (void) pthread_once(&once, crc_prepare);
    for (; size >= CRC_STRIDE; size -= CRC_STRIDE, p += CRC_STRIDE)
        crc = crc_table[7][crc >> 24 ^ p[0]] ^ crc_table[6][(crc >> 16 & 255) ^ p[1]] ^ crc_table[5][(crc >> 8 & 255) ^ p[2]] ^
              crc_table[4][(crc & 255) ^ p[3]] ^ crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
    for (; size > 0; size--, p++)
        crc = crc << 8 ^ crc_table[0][crc >> 24 ^ *p];
    return crc;
}

struct batch {
    unsigned char *items, *data;
    uint64_t n;
    size_t end; /* offset in the file */
    bool stumble;
};

static const char *stumble(struct batch *b, const char *defect)
{
    b->stumble = true;
    return defect;
}

static const char *batch_parse(unsigned char *file, size_t size, size_t at, struct batch *ret)
{
    unsigned char *sums = file + at;
    size_t left = size - at, head_size, data_size = 0;
    uint64_t n;

    if (left < SUMS_SIZE + COUNT_SIZE)
        return stumble(ret, "it ends within a batch");
    n = get_u64(sums + SUMS_SIZE);
    if (n == 0 || n > SEGMENT_ENTRIES_MAX)
        return "a batch has an impossible number of entries";
    head_size = COUNT_SIZE + n * ITEM_SIZE;
    left -= SUMS_SIZE;
    if (left < head_size)
        return stumble(ret, "it ends within the head of a batch");
    if (segment_crc(0, sums + SUMS_SIZE, head_size) != get_u32(sums))
        return "the head of a batch does not match its checksum";
    left -= head_size;
    ret->n = n;
    ret->items = sums + SUMS_SIZE + COUNT_SIZE;
    ret->data = sums + SUMS_SIZE + head_size;
    for (uint64_t i = 0; i < n; i++) {
        uint8_t type = ret->items[i * ITEM_SIZE + 8];

        if (type < 1 || type > 3 || get_u32(ret->items + i * ITEM_SIZE + 12) % 8 != 0)
            return stumble(ret, "an entry has an impossible type or size");
        data_size += get_u32(ret->items + i * ITEM_SIZE + 12);
    }
    if (left < data_size)
        return stumble(ret, "it ends within the data of a batch");
    if (segment_crc(0, ret->data, data_size) != get_u32(sums + 4))
        return "the data of a batch does not match its checksum";
    ret->end = (size_t) (ret->data - file) + data_size;
    return NULL;
}

static int batch_visit(const struct batch *b, uint64_t number, segment_fn fn, void *data)
{
    unsigned char *at = b->data;

    for (uint64_t i = 0; i < b->n; i++) {
        const unsigned char *item = b->items + i * ITEM_SIZE;
        struct segment_entry entry = { number + i, get_u64(item), item[8], at, get_u32(item + 12) };
        int r = fn(data, &entry);

        if (r < 0)
            return r;
        at += entry.size;
    }
    return 0;
}

static bool only_zeros(const unsigned char *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

int segment_read(unsigned char *file, size_t size, segment_fn fn, void *data, struct segment_end *ret)
{
    struct segment_end end = { 0 };
    struct batch b = { 0 };
    int r;

    if (only_zeros(file, size)) {
        *ret = end;
        return 0;
    }
    if (size < SEGMENT_START || get_u64(file) != SEGMENT_FORMAT) {
        *ret = (struct segment_end) { .defect = "it has an unknown format" };
        return 0;
    }
    for (end.offset = SEGMENT_START; end.offset < size; end.offset = b.end) {
        end.defect = batch_parse(file, size, end.offset, &b);
        if (end.defect)
            break;
        r = fn ? batch_visit(&b, end.entries, fn, data) : 0;
        if (r < 0)
            return r;
        end.entries += b.n;
    }
    end.stumble = b.stumble;
    if (end.defect && only_zeros(file + end.offset, size - end.offset))
        end.defect = NULL;
    *ret = end;
    return 0;
}

size_t segment_one_size(size_t entry_size)
{
    return SEGMENT_START + SUMS_SIZE + COUNT_SIZE + ITEM_SIZE + entry_size;
}

void segment_one(uint64_t term, uint8_t type, const void *entry, size_t size, unsigned char *out)
{
    unsigned char *sums = out + SEGMENT_START, *head = sums + SUMS_SIZE, *item = head + COUNT_SIZE;

    put_u64(out, SEGMENT_FORMAT);
    put_u64(head, 1);
    memset(item, 0, ITEM_SIZE);
    put_u64(item, term);
    item[8] = type;
    put_u32(item + 12, (uint32_t) size);
    memcpy(item + ITEM_SIZE, entry, size);
    put_u32(sums, segment_crc(0, head, COUNT_SIZE + ITEM_SIZE));
    put_u32(sums + 4, segment_crc(0, entry, size));
}
