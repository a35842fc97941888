/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "../test.h"
#include "raft/bytes.h"
#include "raft/segments.h"

#define ENTRY "sixteen bytes..."
#define ONE (8 + 8 + 8 + 16 + 16)

static unsigned seen;

static int count(void *data, const struct segment_entry *e)
{
    CHECK(e->number == seen && e->term == 9 && e->type == 1 && e->size == 16 && memcmp(e->data, ENTRY, 16) == 0);
    seen++;
    return data ? -ECANCELED : 0;
}

static struct segment_end read_it(unsigned char *file, size_t size)
{
    struct segment_end end = { 0 };

    seen = 0;
    CHECK_OK(segment_read(file, size, count, NULL, &end));
    CHECK(seen == end.entries && end.offset <= size);
    return end;
}

int main(void)
{
    unsigned char file[4 * ONE] = { 0 };
    struct segment_end end;

    CHECK(segment_crc(0, "123456789", 9) == 0x89a1897f); /* CRC-32/CKSUM without its length and its inversion */
    CHECK(segment_crc(segment_crc(0, "1234", 4), "56789", 5) == 0x89a1897f);
    CHECK(segment_one_size(16) == ONE);

    end = read_it(file, sizeof(file));
    CHECK(end.offset == 0 && !end.defect);
    end = read_it(file, 0);
    CHECK(end.offset == 0 && !end.defect);

    segment_one(9, 1, ENTRY, 16, file);
    end = read_it(file, ONE);
    CHECK(end.offset == ONE && end.entries == 1 && !end.defect);
    end = read_it(file, sizeof(file));
    CHECK(end.offset == ONE && end.entries == 1 && !end.defect);
    seen = 0;
    CHECK(segment_read(file, ONE, count, file, &end) == -ECANCELED);

    memcpy(file + ONE, file + 8, ONE - 8);
    end = read_it(file, sizeof(file));
    CHECK(end.offset == 2 * ONE - 8 && end.entries == 2 && !end.defect);
    for (size_t size = ONE + 1; size < 2 * ONE - 8; size++) {
        end = read_it(file, size);
        CHECK(end.offset == ONE && end.entries == 1 && end.defect);
    }
    for (size_t bit = 8 * ONE; bit < 8 * (2 * ONE - 8); bit++) {
        file[bit / 8] ^= (unsigned char) (1 << bit % 8);
        end = read_it(file, sizeof(file));
        CHECK(end.offset == ONE && end.entries == 1 && end.defect);
        file[bit / 8] ^= (unsigned char) (1 << bit % 8);
    }
    put_u64(file + ONE + 8, UINT64_MAX); /* would overflow any sum */
    end = read_it(file, sizeof(file));
    CHECK(end.entries == 1 && end.defect);
    file[0] = 2;
    end = read_it(file, sizeof(file));
    CHECK(end.entries == 0 && end.defect);
    return 0;
}
