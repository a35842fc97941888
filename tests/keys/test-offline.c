/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records in, records out; and every bit that was changed, cut, added or taken from another file is noticed. */
#include <errno.h>

#include "basic/cleanup.h"
#include "keys/keyslots.h"
#include "keys/offline.h"
#include "test.h"

#define N 3

static struct secret kek = SECRET_NULL, records[N];
static const struct secret *const list[N] = { &records[0], &records[1], &records[2] };
static size_t taken;

static int take(void *data, size_t i, struct secret *record)
{
    CHECK(i == taken && i < N);
    taken++;
    if (data)
        return -ECANCELED;
    CHECK(record->size == records[i].size && memcmp(record->data, records[i].data, record->size) == 0);
    return 0;
}

static int open_bytes(const struct secret *key, const void *bytes, size_t size)
{
    taken = 0;
    return offline_open(key, bytes, size, take, NULL);
}

static void test_changes(const unsigned char *bytes, size_t size)
{
    _cleanup_free_ unsigned char *changed = malloc(size + 1);

    CHECK(changed);
    for (size_t i = 0; i < size; i++) {
        memcpy(changed, bytes, size);
        changed[i] ^= 1;
        CHECK(open_bytes(&kek, changed, size) < 0);
        CHECK(open_bytes(&kek, bytes, i) < 0);
    }
    memcpy(changed, bytes, size);
    changed[size] = 0;
    CHECK(open_bytes(&kek, changed, size + 1) == -EBADMSG && taken == N);
    changed[7] = 2;
    CHECK(open_bytes(&kek, changed, size) == -EPROTONOSUPPORT);
}

static void test_keys(const void *bytes, size_t size)
{
    _cleanup_(secret_done) struct secret other = SECRET_NULL, small = SECRET_NULL;

    CHECK_OK(secret_random(KEK_SIZE, &other));
    CHECK_OK(secret_random(KEK_SIZE - 1, &small));
    CHECK(open_bytes(&other, bytes, size) == -EKEYREJECTED && taken == 0);
    CHECK(open_bytes(&small, bytes, size) == -EINVAL && taken == 0);
}

static void test_limits(void)
{
    _cleanup_(secret_done) struct secret large = SECRET_NULL;
    const struct secret *one = &large, *many[64];
    size_t size = 7;
    void *bytes = NULL;

    CHECK(offline_seal(&kek, list, 0, &bytes, &size) == -EINVAL);
    CHECK_OK(secret_new(SECRET_MAX - 63, &large));
    CHECK(offline_seal(&kek, &one, 1, &bytes, &size) == -EMSGSIZE);
    secret_truncate(&large, SECRET_MAX - 64);
    for (size_t i = 0; i < ELEMENTSOF(many); i++)
        many[i] = &large;
    CHECK(offline_seal(&kek, many, ELEMENTSOF(many), &bytes, &size) == -EMSGSIZE);
    CHECK(!bytes && size == 7);
}

int main(void)
{
    _cleanup_free_ void *bytes = NULL, *again = NULL;
    size_t size, size_again;

    CHECK_OK(secret_init());
    CHECK_OK(secret_random(KEK_SIZE, &kek));
    CHECK_OK(secret_copy("the first", 9, &records[0]));
    CHECK_OK(secret_new(0, &records[1]));
    CHECK_OK(secret_random(200, &records[2]));
    CHECK_OK(offline_seal(&kek, list, N, &bytes, &size));
    CHECK_OK(offline_seal(&kek, list, N, &again, &size_again));
    CHECK(size == size_again && memcmp(bytes, again, size) != 0 && !memmem(bytes, size, "the first", 9));
    CHECK_OK(open_bytes(&kek, bytes, size));
    CHECK(taken == N);
    taken = 0;
    CHECK(offline_open(&kek, bytes, size, take, &taken) == -ECANCELED && taken == 1);
    test_changes(bytes, size);
    test_keys(bytes, size);
    test_limits();
    for (size_t i = 0; i < N; i++)
        secret_done(&records[i]);
    secret_done(&kek);
    return 0;
}
