/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/stored.h"

#include <errno.h>

#include "basic/cleanup.h"
#include "keys/keyslots.h"
#include "keys/unlock_key.h"
#include "test.h"

static struct secret new_text(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    struct secret text;

    CHECK_OK(unlock_key_generate(&key));
    CHECK_OK(unlock_key_format(&key, &text));
    return text;
}

static struct secret new_kek(void)
{
    struct secret kek;

    CHECK_OK(secret_random(KEK_SIZE, &kek));
    return kek;
}

static void test_round_trip(void)
{
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 }, got = { .n = 0 };
    _cleanup_(secret_done) struct secret kek = new_kek(), other = new_kek(), blob = SECRET_NULL, a = new_text(), b = new_text();
    char socket[ENGINE_SOCKET_MAX];

    CHECK_OK(stored_keys_add(&keys, &a));
    stored_keys_started(&keys, 0);
    CHECK_OK(stored_keys_add(&keys, &b));
    CHECK_OK(stored_seal("/run/x.sock", &keys, &kek, &blob));
    CHECK_OK(stored_socket(&blob, socket));
    CHECK(strcmp(socket, "/run/x.sock") == 0);
    CHECK_OK(stored_open(&blob, &kek, &got));
    CHECK(got.n == 2 && got.k[0].generation == 2 && !got.k[0].started && got.k[1].generation == 1 && got.k[1].started);
    CHECK(stored_keys_find(&got, &b) == 0 && stored_keys_find(&got, &a) == 1 && stored_keys_find(&got, &kek) == -ENOENT);
    CHECK(!memmem(blob.data, blob.size, a.data, a.size));
    CHECK(stored_open(&blob, &other, &(struct stored_keys) { .n = 0 }) == -EKEYREJECTED);

    for (size_t i = 0; i < blob.size; i++) { /* every change is noticed, but for one of the socket that is none of the keys' */
        struct stored_keys none = { .n = 0 };

        blob.data[i] ^= 1;
        if (stored_socket(&blob, socket) == 0 && (i < 9 || i >= 9 + strlen("/run/x.sock")))
            CHECK(stored_open(&blob, &kek, &none) < 0);
        blob.data[i] ^= 1;
        CHECK(none.n == 0);
    }
    blob.data[7] = 2;
    CHECK(stored_socket(&blob, socket) == -EPROTONOSUPPORT);
    blob.data[7] = 1;
    for (size_t size = blob.size; size-- > 0;) {
        struct secret cut = { blob.data, size };

        CHECK(stored_open(&cut, &kek, &(struct stored_keys) { .n = 0 }) < 0);
    }
}

/* What the Engine was seen to start with stays until it starts with a newer one. */
static void test_order(void)
{
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 };
    _cleanup_(secret_done) struct secret first = new_text(), last = SECRET_NULL;

    CHECK_OK(stored_keys_add(&keys, &first));
    stored_keys_started(&keys, 0);
    for (int i = 0; i < 3 * STORED_KEYS_MAX; i++) {
        secret_done(&last);
        last = new_text();
        CHECK_OK(stored_keys_add(&keys, &last));
        CHECK(stored_keys_find(&keys, &last) == 0 && stored_keys_find(&keys, &first) == (int) keys.n - 1);
    }
    CHECK(keys.n == STORED_KEYS_MAX && keys.k[0].generation == 3 * STORED_KEYS_MAX + 1);
    stored_keys_started(&keys, 3); /* with a former one: newer ones may be wanted next */
    CHECK(keys.n == 4 && keys.k[3].started && stored_keys_find(&keys, &last) == 0);
    stored_keys_started(&keys, 0);
    CHECK(keys.n == 1 && keys.k[0].started && stored_keys_find(&keys, &last) == 0);
}

/* One that is wanted again is there once, and the newest. */
static void test_again(void)
{
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 };
    _cleanup_(secret_done) struct secret a = new_text(), b = new_text();

    CHECK_OK(stored_keys_add(&keys, &a));
    CHECK_OK(stored_keys_add(&keys, &b));
    CHECK_OK(stored_keys_add(&keys, &a));
    CHECK(keys.n == 2 && keys.k[0].generation == 3 && stored_keys_find(&keys, &a) == 0 && stored_keys_find(&keys, &b) == 1);
}

int main(void)
{
    CHECK_OK(secret_init());
    test_round_trip();
    test_order();
    test_again();
    return 0;
}
