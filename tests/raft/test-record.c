/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "../test.h"
#include "raft/envelope.h"
#include "raft/record.h"

#define SIZE 64

static const struct record_place place = { RECORD_ENTRY, 1, 77, 3 };

static struct keyring *keys(uint32_t first, uint32_t last, uint32_t active)
{
    unsigned char bytes[KEYRING_MAX][KEYRING_KEY_SIZE];
    struct keyring *k = keyring_new();
    uint32_t ids[KEYRING_MAX];
    unsigned n = 0;

    CHECK(k);
    for (uint32_t id = first; id <= last; id++, n++) {
        ids[n] = id;
        memset(bytes[n], (int) id, KEYRING_KEY_SIZE);
    }
    CHECK_OK(keyring_set(k, ids, bytes, n, active));
    return k;
}

static void test_keyring(void)
{
    const unsigned char bytes[KEYRING_MAX + 1][KEYRING_KEY_SIZE] = { { 1 }, { 2 } };
    const uint32_t ids[KEYRING_MAX + 1] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, twice[] = { 4, 4 }, zero[] = { 0 };
    struct keyring *k = keyring_new(), *copy;

    CHECK(keyring_active(k) == 0 && !keyring_find(k, 0) && !keyring_find(k, 1) && !keyring_copy_active(k));
    CHECK(keyring_set(k, ids, bytes, 0, 0) == -EINVAL);
    CHECK(keyring_set(k, ids, bytes, KEYRING_MAX + 1, 1) == -EINVAL);
    CHECK(keyring_set(k, ids, bytes, 2, 3) == -EINVAL);
    CHECK(keyring_set(k, twice, bytes, 2, 4) == -EINVAL);
    CHECK(keyring_set(k, zero, bytes, 1, 0) == -EINVAL);
    CHECK_OK(keyring_set(k, ids, bytes, KEYRING_MAX, 8));
    CHECK(keyring_find(k, 8) && !keyring_find(k, 9) && !keyring_find(k, 0));
    CHECK_OK(keyring_set(k, ids, bytes, 2, 2));
    CHECK(!keyring_find(k, 8) && memcmp(keyring_find(k, 2), bytes[1], KEYRING_KEY_SIZE) == 0);
    copy = keyring_copy_active(k);
    CHECK(keyring_active(copy) == 2 && keyring_find(copy, 2) && !keyring_find(copy, 1));
    keyring_free(copy);
    keyring_free(k);
}

static int reopen(struct keyring *k, const struct record_place *p, const unsigned char *record, size_t size)
{
    unsigned char copy[RECORD_HEADER_SIZE + SIZE];
    size_t plain_size = 0;
    void *plain = NULL;
    int r;

    memcpy(copy, record, size);
    r = record_open(k, p, copy, size, &plain, &plain_size);
    if (r == 0)
        CHECK(plain == copy + RECORD_HEADER_SIZE && plain_size == size - RECORD_HEADER_SIZE);
    return r;
}

static void test_round_trip(void)
{
    unsigned char plain[SIZE], record[RECORD_HEADER_SIZE + SIZE], again[RECORD_HEADER_SIZE + SIZE];
    struct keyring *k = keys(1, 2, 1), *other = keys(3, 4, 3);
    size_t size;
    void *opened;
    uint32_t id;

    memset(plain, 'x', sizeof(plain));
    CHECK_OK(record_seal(k, &place, plain, SIZE, record));
    CHECK_OK(record_seal(k, &place, plain, SIZE, again));
    CHECK(memcmp(record + 8, again + 8, 24) != 0 && memcmp(record + RECORD_HEADER_SIZE, again + RECORD_HEADER_SIZE, 8) != 0);
    CHECK_OK(record_peek(record, sizeof(record), &id));
    CHECK(id == 1);
    memcpy(again, record, sizeof(record));
    CHECK_OK(record_open(k, &place, again, sizeof(again), &opened, &size));
    CHECK(size == SIZE && memcmp(opened, plain, SIZE) == 0);
    CHECK(reopen(other, &place, record, sizeof(record)) == -ENOKEY);
    CHECK(record_seal(k, &place, plain, 7, again) == -EINVAL);
    /* in place, and nothing at all */
    memcpy(again + RECORD_HEADER_SIZE, plain, SIZE);
    CHECK_OK(record_seal(k, &place, again + RECORD_HEADER_SIZE, SIZE, again));
    CHECK_OK(reopen(k, &place, again, sizeof(again)));
    CHECK_OK(record_seal(k, &place, NULL, 0, again));
    CHECK_OK(reopen(k, &place, again, RECORD_HEADER_SIZE));
    keyring_free(k);
    keyring_free(other);
}

static void test_moved(void)
{
    const struct record_place elsewhere[] = {
        { RECORD_SNAPSHOT, 1, 77, 3 }, { RECORD_ENTRY, 2, 77, 3 }, { RECORD_ENTRY, 1, 78, 3 }, { RECORD_ENTRY, 1, 77, 4 },
        { RECORD_ENTRY, 1, 3, 77 },
    };
    unsigned char plain[SIZE] = { 0 }, record[RECORD_HEADER_SIZE + SIZE];
    struct keyring *k = keys(1, 1, 1);

    CHECK_OK(record_seal(k, &place, plain, SIZE, record));
    CHECK_OK(reopen(k, &place, record, sizeof(record)));
    for (unsigned i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        CHECK(reopen(k, &elsewhere[i], record, sizeof(record)) == -EBADMSG);
    keyring_free(k);
}

/* No bit of a record may be changed, and no length. */
static void test_flipped(void)
{
    unsigned char plain[SIZE] = { 0 }, record[RECORD_HEADER_SIZE + SIZE];
    struct keyring *k = keys(1, 8, 1);
    int r;

    CHECK_OK(record_seal(k, &place, plain, SIZE, record));
    for (size_t bit = 0; bit < sizeof(record) * 8; bit++) {
        record[bit / 8] ^= (unsigned char) (1 << bit % 8);
        r = reopen(k, &place, record, sizeof(record));
        if (bit / 8 == 3)
            CHECK(r == -EPROTONOSUPPORT || r == -EBADMSG);
        else if (bit / 8 >= 4 && bit / 8 < 8)
            CHECK(r == -ENOKEY || r == -EBADMSG);
        else
            CHECK(r == -EBADMSG);
        record[bit / 8] ^= (unsigned char) (1 << bit % 8);
    }
    for (size_t size = 0; size < sizeof(record); size++)
        CHECK(reopen(k, &place, record, size) == -EBADMSG);
    record[3] = 2; /* a newer version may have another header: nothing else is looked at */
    CHECK(reopen(k, &place, record, 4) == -EPROTONOSUPPORT);
    CHECK_OK(reopen(k, &place, (record[3] = 1, record), sizeof(record)));
    keyring_free(k);
}

/* Another key under the right id: none is taken for it, by chance neither. */
static void test_wrong_keys(void)
{
    unsigned char plain[SIZE] = { 0 }, record[RECORD_HEADER_SIZE + SIZE], wrong[1][KEYRING_KEY_SIZE];
    struct keyring *k = keys(1, 1, 1);
    const uint32_t id = 1;

    CHECK_OK(record_seal(k, &place, plain, SIZE, record));
    for (unsigned i = 0; i < 20000; i++) {
        randombytes_buf(wrong, sizeof(wrong));
        CHECK_OK(keyring_set(k, &id, (const unsigned char (*)[KEYRING_KEY_SIZE]) wrong, 1, 1));
        CHECK(reopen(k, &place, record, sizeof(record)) == -EBADMSG);
    }
    keyring_free(k);
}

static void test_envelope(void)
{
    unsigned char membership[16] = "membership", state[24] = "state", record[RECORD_HEADER_SIZE + 16 + 16 + 24], copy[sizeof(record)];
    struct envelope v = { 5, 2, 1, membership, sizeof(membership) };
    struct keyring *k = keys(1, 1, 1);
    size_t size;
    void *opened;

    CHECK(envelope_record_size(&v, sizeof(state)) == sizeof(record));
    envelope_fill(&v, state, sizeof(state), record);
    CHECK_OK(envelope_seal(k, &v, record, sizeof(record)));
    memcpy(copy, record, sizeof(record));
    CHECK_OK(envelope_open(k, &v, copy, sizeof(copy), &opened, &size));
    CHECK(size == sizeof(state) && memcmp(opened, state, size) == 0);
    for (unsigned i = 0; i < 4; i++) { /* each field in turn is another one */
        struct envelope other = v;
        unsigned char others[16] = "membershiq";

        other.index += i == 0;
        other.term += i == 1;
        other.configuration_index += i == 2;
        other.configuration = i == 3 ? others : membership;
        memcpy(copy, record, sizeof(record));
        CHECK(envelope_open(k, &other, copy, sizeof(copy), &opened, &size) == -EBADMSG);
    }
    v.configuration_size = 8;
    memcpy(copy, record, sizeof(record));
    CHECK(envelope_open(k, &v, copy, sizeof(copy), &opened, &size) == -EBADMSG);
    keyring_free(k);
}

int main(void)
{
    test_keyring();
    test_round_trip();
    test_moved();
    test_flipped();
    test_wrong_keys();
    test_envelope();
    return 0;
}
