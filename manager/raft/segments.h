/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* raft_uv's log segments, read without changing anything (raft_uv itself cuts and renames what it reads). A segment is a format number
 * and batches: checksums of head and data, number of entries, an entry's term, type and size each, then their data; the format is told
 * in raft/uv.h. Closed segments end with their last batch, open ones go on with zeros. */

#define SEGMENT_FORMAT 1
#define SEGMENT_START 8
#define SEGMENT_ENTRIES_MAX (8U * 1024 * 1024 / 32) /* in a batch, as raft_uv has it */

struct segment_entry {
    uint64_t number; /* within the segment, from 0 */
    uint64_t term;
    uint8_t type;
    unsigned char *data;
    size_t size;
};

typedef int (*segment_fn)(void *data, const struct segment_entry *entry);

struct segment_end {
    size_t offset;      /* end of the last good batch; 0: the segment was never written to */
    uint64_t entries;   /* up to there */
    const char *defect; /* of what follows; NULL: the file ends there, or only zeros follow */
    bool stumble;       /* raft_uv takes what follows not for the leftover of a crash but for a failure to read, and frees twice */
};

/* Calls fn (may be NULL) for each entry of the good batches. Returns 0, or what fn returned when negative. */
int segment_read(unsigned char *file, size_t size, segment_fn fn, void *data, struct segment_end *ret);

size_t segment_one_size(size_t entry_size);
/* A whole closed segment with one entry (size is a multiple of 8) into segment_one_size(size) bytes. */
void segment_one(uint64_t term, uint8_t type, const void *entry, size_t size, unsigned char *out);

/* raft_uv's checksum: CRC-32, most significant bit first, without inversions. */
uint32_t segment_crc(uint32_t crc, const void *data, size_t size);
