/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "net/frame.h"

#define ID UINT64_C(0x0102030405060708)

static size_t put(unsigned char *to, char kind, uint64_t id, const void *payload, size_t size)
{
    frame_head(to, kind, id, size);
    if (size > 0)
        memcpy(to + FRAME_HEAD, payload, size);
    return FRAME_HEAD + size;
}

static void test_bytes(void)
{
    static const unsigned char expected[] = { 0, 0, 0, 13, 1, '?', 1, 2, 3, 4, 5, 6, 7, 8, 'a', 'b', 'c' };
    unsigned char made[sizeof(expected)];

    CHECK(put(made, FRAME_REQUEST, ID, "abc", 3) == sizeof(expected) && memcmp(made, expected, sizeof(expected)) == 0);
}

/* Three frames, given in pieces of every size. */
static void test_pieces(void)
{
    unsigned char bytes[128];
    size_t n = put(bytes, FRAME_REQUEST, ID, "abc", 3);

    n += put(bytes + n, FRAME_REPLY, 0, "", 0);
    n += put(bytes + n, FRAME_REPLY, UINT64_MAX, "0123456789", 10);
    for (size_t piece = 1; piece <= n; piece++) {
        _cleanup_(frame_reader_done) struct frame_reader r = { 0 };
        unsigned seen = 0;

        for (size_t at = 0; at < n;) {
            size_t size = n - at < piece ? n - at : piece, used = SIZE_MAX;
            struct frame f;
            int result = frame_read(&r, bytes + at, size, &used, &f);

            CHECK(result >= 0 && used <= size && (result == 1 || used == size));
            at += used;
            if (result == 0)
                continue;
            CHECK(seen != 0 || (f.kind == '?' && f.id == ID && f.size == 3 && memcmp(f.payload, "abc", 3) == 0));
            CHECK(seen != 1 || (f.kind == '!' && f.id == 0 && f.size == 0));
            CHECK(seen != 2 || (f.kind == '!' && f.id == UINT64_MAX && f.size == 10 && memcmp(f.payload, "0123456789", 10) == 0));
            seen++;
        }
        CHECK(seen == 3);
    }
}

static void refuse(size_t offset, unsigned char value, int expected)
{
    _cleanup_(frame_reader_done) struct frame_reader r = { 0 };
    unsigned char bytes[FRAME_HEAD + 3];
    struct frame f;
    size_t used;

    (void) put(bytes, FRAME_REQUEST, ID, "abc", 3);
    bytes[offset] = value;
    CHECK(frame_read(&r, bytes, sizeof(bytes), &used, &f) == expected && r.room == 0);
}

static void test_refused(void)
{
    refuse(4, 0, -EPROTONOSUPPORT);
    refuse(4, 2, -EPROTONOSUPPORT);
    refuse(5, 'x', -EBADMSG);
    refuse(3, 9, -EBADMSG);
    refuse(1, 0x20, -EMSGSIZE); /* 2 MiB and 3 bytes */
    refuse(0, 0xff, -EMSGSIZE);
}

/* The largest; memory follows what has come. */
static void test_large(void)
{
    _cleanup_free_ unsigned char *bytes = calloc(1, FRAME_HEAD + FRAME_PAYLOAD_MAX);
    _cleanup_(frame_reader_done) struct frame_reader r = { 0 };
    const size_t total = FRAME_HEAD + FRAME_PAYLOAD_MAX;
    size_t used, at = 0;
    struct frame f;
    int result = 0;

    CHECK(bytes);
    (void) put(bytes, FRAME_REPLY, 1, "", 0);
    frame_head(bytes, FRAME_REPLY, 1, FRAME_PAYLOAD_MAX);
    CHECK(frame_read(&r, bytes, FRAME_HEAD, &used, &f) == 0 && r.room == 0);
    at = FRAME_HEAD;
    while (result == 0) {
        result = frame_read(&r, bytes + at, 1000 < total - at ? 1000 : total - at, &used, &f);
        at += used;
        CHECK(r.room <= 2 * (at > 4096 ? at : 4096) && r.room <= FRAME_PAYLOAD_MAX);
    }
    CHECK(result == 1 && f.size == FRAME_PAYLOAD_MAX && at == total);
    CHECK(frame_read(&r, bytes, 0, &used, &f) == 0 && r.room == 0 && used == 0);
}

int main(void)
{
    test_bytes();
    test_pieces();
    test_refused();
    test_large();
    return 0;
}
