/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "../test.h"
#include "raft/bytes.h"
#include "raft/replica.h"
#include "raft/wire_check.h"

static unsigned char buffer[WIRE_HEADER_MAX + 4096];

static void preamble(unsigned type, uint64_t size)
{
    memset(buffer, 0, sizeof(buffer));
    buffer[0] = (unsigned char) type;
    put_u64(buffer + 8, size);
}

static unsigned char *at_word(size_t i)
{
    return buffer + WIRE_PREAMBLE + 8 * i;
}

static int feed(size_t size)
{
    static struct wire_check w;

    w = (struct wire_check) { 0 };
    return wire_check_feed(&w, buffer, size);
}

static void words(unsigned type, size_t n, const uint64_t *values)
{
    preamble(type, 8 * n);
    for (size_t i = 0; i < n; i++)
        put_u64(at_word(i), values[i]);
}

static int entries(uint64_t n, uint32_t size, unsigned char type, uint64_t term, size_t extra)
{
    words(1, 5, (const uint64_t[]) { 7, 20, 6, 20, n });
    put_u64(buffer + 8, 8 * 6 + 16 * n + extra);
    for (uint64_t i = 0; i < n && i < 512; i++) {
        put_u64(at_word(5 + 2 * i), term);
        at_word(6 + 2 * i)[0] = type;
        put_u32(at_word(6 + 2 * i) + 4, size);
    }
    return feed(WIRE_PREAMBLE + 8 * 6 + 16 * (n < 512 ? n : 512) + extra);
}

static int snapshot(uint64_t size, uint64_t members, const char *address, uint64_t membership_size)
{
    size_t length = (9 + members * (8 + strlen(address) + 2) + 7) / 8 * 8;
    unsigned char *at;

    words(5, 5, (const uint64_t[]) { 7, 20, 6, 3, membership_size ? membership_size : length });
    put_u64(buffer + 8, 7 * 8 + length);
    at = at_word(5);
    *at++ = 1;
    put_u64(at, members);
    at += 8;
    for (uint64_t i = 0; i < members; i++) {
        put_u64(at, i + 1);
        memcpy(at + 8, address, strlen(address) + 1);
        at += 8 + strlen(address) + 1;
        *at++ = 1;
    }
    put_u64(at_word(5) + length, size);
    return feed(WIRE_PREAMBLE + 7 * 8 + length);
}

int main(void)
{
    CHECK(feed(0) == 0);
    preamble(0, 8);
    CHECK(feed(16) == -EBADMSG);
    preamble(7, 8);
    CHECK(feed(16) == -EBADMSG);
    preamble(1, 0);
    CHECK(feed(16) == -EBADMSG && feed(15) == 0);
    preamble(1, WIRE_HEADER_MAX + 1);
    CHECK(feed(16) == -EMSGSIZE);
    preamble(1, UINT64_MAX);
    CHECK(feed(16) == -EMSGSIZE);
    preamble(1, WIRE_HEADER_MAX);
    CHECK(feed(16) == 0);
    buffer[2] = 3;
    CHECK(feed(16) == -EBADMSG);

    CHECK(entries(0, 0, 0, 0, 0) == 0 && entries(1, 8, 1, 7, 0) == 0 && entries(WIRE_ENTRIES_MAX, REPLICA_COMMAND_MAX, 2, 6, 0) == 0);
    CHECK(entries(WIRE_ENTRIES_MAX + 1, 8, 1, 7, 0) == -EMSGSIZE && entries(1, REPLICA_COMMAND_MAX + 8, 1, 7, 0) == -EMSGSIZE);
    CHECK(entries(1, 0, 1, 7, 0) == -EBADMSG && entries(1, 9, 1, 7, 0) == -EBADMSG && entries(1, 8, 0, 7, 0) == -EBADMSG);
    CHECK(entries(1, 8, 4, 7, 0) == -EBADMSG && entries(1, 8, 1, 8, 0) == -EBADMSG && entries(1, 8, 1, 5, 0) == -EBADMSG);
    CHECK(entries(1, 8, 1, 0, 0) == -EBADMSG && entries(1, 8, 1, 7, 8) == -EBADMSG);
    words(1, 6, (const uint64_t[]) { 7, 20, 0, 20, 0, 0 });
    CHECK(feed(64) == -EBADMSG);
    words(1, 6, (const uint64_t[]) { 7, UINT64_MAX, 7, 20, 0, 0 });
    CHECK(feed(64) == -EBADMSG);
    words(1, 6, (const uint64_t[]) { 7, 20, 6, 20, UINT64_MAX / 16 + 1, 0 });
    CHECK(feed(64) == -EMSGSIZE);

    CHECK(snapshot(8, 1, "a", 0) == 0 && snapshot(WIRE_SNAPSHOT_MAX, REPLICA_MEMBERS_MAX, "10.0.0.1:2377", 0) == 0);
    CHECK(snapshot(0, 1, "a", 0) == -EBADMSG && snapshot(12, 1, "a", 0) == -EBADMSG);
    CHECK(snapshot(WIRE_SNAPSHOT_MAX + 8, 1, "a", 0) == -EMSGSIZE && snapshot(UINT64_MAX - 7, 1, "a", 0) == -EMSGSIZE);
    CHECK(snapshot(8, 0, "a", 0) == -EBADMSG && snapshot(8, REPLICA_MEMBERS_MAX + 1, "a", 0) == -EMSGSIZE);
    CHECK(snapshot(8, 1, "", 0) == -EBADMSG && snapshot(8, 1, "a", 8) == -EBADMSG && snapshot(8, 1, "a", UINT64_MAX - 7) == -EBADMSG);

    words(2, 4, (const uint64_t[]) { 7, 0, 20, 0 });
    CHECK(feed(48) == 0);
    words(3, 5, (const uint64_t[]) { 7, UINT64_MAX, 0, 0, 2 });
    CHECK(feed(56) == 0);
    words(3, 4, (const uint64_t[]) { 7, 1, 0, 0 });
    CHECK(feed(48) == -EBADMSG);
    words(4, 3, (const uint64_t[]) { 7, 1, 0 });
    CHECK(feed(40) == 0);
    words(4, 2, (const uint64_t[]) { 7, 1 });
    CHECK(feed(32) == -EBADMSG);
    words(6, 3, (const uint64_t[]) { 7, 20, 7 });
    CHECK(feed(40) == 0);
    words(6, 3, (const uint64_t[]) { 0, 20, 7 });
    CHECK(feed(40) == -EBADMSG);
    return 0;
}
