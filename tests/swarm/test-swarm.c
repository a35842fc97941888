/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>

#include "basic/file.h"
#include "keys/bundle.h"
#include "machine.h"
#include "theft.h"

#define LISTS 4 /* of keyslots at once */

/* Nothing on disk opens any more with what was there before. */
static void check_theft(const struct bundle *stolen, const struct secret *kek)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    struct bundle *b;
    char path[PATH_MAX];
    bool open;

    unseal();
    CHECK_OK(path_join(path, credentials, "swarm_keys"));
    CHECK_OK(file_read(path, 1 << 20, &blob, NULL));
    CHECK_OK(bundle_embedded_kek(&blob, &open, NULL));
    CHECK(!open && bundle_unseal(&blob, kek, &b) == -EKEYREJECTED);
    CHECK(count_records(stolen->active_dek) == 0 && count_records(stolen->active_dek + 1) > 0);
}

/* --- the tests */

static void test_open(void)
{
    struct error e;

    start();
    CHECK(swarm_state(m.swarm) == SWARM_INACTIVE);
    CHECK(create("a") == -ESRCH && simple(SWARM_ROTATE_UNLOCK_KEY) == -ESRCH && leave(true) == -ESRCH && unlock("x", 1) == -ESRCH);
    CHECK_OK(init(false, NULL, NULL));
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && swarm_autolock(m.swarm) == SWARM_AUTOLOCK_OFF && !exists("keyslots.luks"));
    CHECK_OK(create("a"));
    CHECK(create("a") == -EEXIST && create("-") == -EINVAL);
    CHECK(simple(SWARM_ROTATE_UNLOCK_KEY) == -EOPNOTSUPP && unlock("x", 1) == -EALREADY && init(false, NULL, NULL) == -EALREADY);
    CHECK(leave(false) == -EBUSY && confirm(0) == -ENODATA && confirm(1) == -ENODATA);
    stop();
    start();
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && has("a"));
    CHECK_OK(leave(true));
    CHECK(swarm_state(m.swarm) == SWARM_INACTIVE && swarm_check_active(m.swarm, &e) == -ESRCH);
    CHECK(!exists("node.json") && !exists("creds/keys") && !exists("raft") && !exists("highwater") && !exists("node.json.sweep"));
    stop();
}

static void test_locked(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, old = SECRET_NULL;
    uint32_t generation = 0;

    start();
    CHECK_OK(init(true, &key, &generation));
    CHECK(swarm_autolock(m.swarm) == SWARM_AUTOLOCK_UNCONFIRMED);
    CHECK_OK(create("a"));
    stop();

    /* nobody has confirmed the key: the disk still opens */
    start();
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && swarm_autolock(m.swarm) == SWARM_AUTOLOCK_UNCONFIRMED);
    CHECK(confirm(generation + 1) == -ESTALE);
    CHECK_OK(confirm(generation));
    CHECK_OK(confirm(generation));
    CHECK(swarm_autolock(m.swarm) == SWARM_AUTOLOCK_ON);
    stop();

    start();
    CHECK(swarm_state(m.swarm) == SWARM_LOCKED && m.events[SWARM_EVENT_LOCKED] == 1);
    CHECK(create("b") == -ENOKEY && simple(SWARM_ROTATE_UNLOCK_KEY) == -ENOKEY && leave(false) == -ENOKEY && init(false, NULL, NULL) == -ENOKEY);
    CHECK(unlock("garbage", 7) == -EINVAL);
    CHECK(unlock("SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 52) == -EKEYREJECTED);
    CHECK(swarm_state(m.swarm) == SWARM_LOCKED && m.events[SWARM_EVENT_UNLOCK_FAILED] == 2);
    CHECK_OK(unlock(key.data, key.size));
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && has("a"));

    /* until it is confirmed, both keys unlock; then the new one only */
    CHECK_OK(secret_copy(key.data, key.size, &old));
    CHECK_OK(new_key(SWARM_ROTATE_UNLOCK_KEY, &key, &generation));
    CHECK(confirm(generation - 1) == -ESTALE && confirm(generation + 1) == -ESTALE); /* and destroys no keyslot */
    stop();
    start();
    CHECK_OK(unlock(old.data, old.size));
    settle();
    stop();
    start();
    CHECK_OK(unlock(key.data, key.size));
    settle(); /* unlocking with the new key confirms it */
    stop();
    start();
    CHECK(unlock(old.data, old.size) == -EKEYREJECTED);
    CHECK_OK(unlock(key.data, key.size));
    settle();
    CHECK(m.events[SWARM_EVENT_TROUBLE] == 0);
    CHECK_OK(leave(true));
    CHECK(!exists("keyslots.luks"));
    stop();
}

static bool opens(const char *lock, const struct secret *key)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;

    return keyslots_open(lock, key, &kek, NULL, NULL) == 0;
}

static unsigned char copied[32 << 20];

static size_t copy_lock(const char *lock)
{
    _cleanup_fclose_ FILE *f = fopen(lock, "re");
    size_t size;

    CHECK(f);
    size = fread(copied, 1, sizeof(copied), f);
    CHECK(size > 0 && size < sizeof(copied));
    return size;
}

static void put_back(const char *lock, size_t size)
{
    _cleanup_fclose_ FILE *f = fopen(lock, "r+e");

    CHECK(f);
    CHECK(fwrite(copied, 1, size, f) == size && fflush(f) == 0);
}

/* Another program puts an older copy of the lock back: the newest key still opens it, and without a restart. */
static void test_put_back(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, old = SECRET_NULL;
    char lock[PATH_MAX];
    uint32_t generation = 0;
    size_t size;

    start();
    CHECK_OK(init(true, &old, &generation));
    CHECK_OK(confirm(generation));
    CHECK_OK(path_join(lock, state, "keyslots.luks"));
    size = copy_lock(lock);
    for (unsigned i = 1; i <= 2; i++) {
        CHECK_OK(new_key(SWARM_ROTATE_UNLOCK_KEY, &key, &generation));
        CHECK_OK(confirm(generation));
        CHECK(opens(lock, &key) && !opens(lock, &old));
        put_back(lock, size);
        CHECK(!opens(lock, &key) && opens(lock, &old));
        while (m.events[SWARM_EVENT_ROLLED_BACK] < i || !opens(lock, &key) || opens(lock, &old))
            (void) uv_run(&m.loop, UV_RUN_ONCE);
    }
    CHECK(m.events[SWARM_EVENT_ROLLED_BACK] == 2 && m.events[SWARM_EVENT_TROUBLE] == 0);
    CHECK_OK(leave(true));
    stop();
}

static void test_on_and_off(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    uint32_t generation = 0;

    start();
    CHECK_OK(init(false, NULL, NULL));
    CHECK_OK(create("a"));
    for (int i = 0; i < 2; i++) {
        _cleanup_(secret_done) struct secret kek = SECRET_NULL;
        _cleanup_(bundle_freep) struct bundle *stolen = steal(&kek);

        CHECK(count_records(stolen->active_dek) > 0);
        CHECK_OK(new_key(SWARM_ENABLE_AUTOLOCK, &key, &generation));
        CHECK_OK(confirm(generation));
        check_theft(stolen, &kek);
        stop();
        start();
        CHECK(swarm_state(m.swarm) == SWARM_LOCKED);
        CHECK_OK(unlock(key.data, key.size));
        CHECK(has("a"));
        CHECK_OK(simple(SWARM_DISABLE_AUTOLOCK));
        CHECK(swarm_autolock(m.swarm) == SWARM_AUTOLOCK_OFF && !exists("keyslots.luks"));
        stop();
        start();
        CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && has("a"));
    }
    CHECK_OK(leave(true));
    stop();
}

/* A helper that answers nothing: an error, and what was there stays in force. */
static void test_seal_fails(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    uint32_t generation = 0;

    start();
    seal_fails = true;
    CHECK(init(false, NULL, NULL) < 0 && swarm_state(m.swarm) == SWARM_INACTIVE && !exists("raft") && !exists("node.json.sweep"));
    seal_fails = false;
    CHECK_OK(init(false, NULL, NULL));
    CHECK_OK(new_key(SWARM_ENABLE_AUTOLOCK, &key, &generation));
    seal_fails = true;
    CHECK(confirm(generation) < 0);
    stop();
    start();
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE);
    settle();
    CHECK(m.events[SWARM_EVENT_TROUBLE] == 1); /* the start tried to finish it */
    seal_fails = false;
    stop();
    start();
    settle();
    stop();
    start();
    CHECK(swarm_state(m.swarm) == SWARM_LOCKED);
    CHECK_OK(unlock(key.data, key.size));
    CHECK_OK(leave(true));
    stop();
}

/* What a power cut in the midst of init or leave leaves is wiped; what merely lost its node.json is not. */
static void test_leftovers(void)
{
    char from[PATH_MAX], to[PATH_MAX], credential[PATH_MAX], erasing[PATH_MAX];

    CHECK_OK(path_join(from, state, "node.json"));
    CHECK_OK(path_join(to, state, "node.json.sweep"));
    start();
    CHECK_OK(init(false, NULL, NULL));
    stop();
    CHECK_OK(rename(from, to));
    start();
    CHECK(swarm_state(m.swarm) == SWARM_INACTIVE && !exists("creds/keys") && !exists("raft"));
    CHECK_OK(init(false, NULL, NULL));
    stop();

    /* a leave that was cut off while it erased the credential: systemd must not be shown what is left of that */
    CHECK_OK(rename(from, to));
    CHECK_OK(path_join(credential, state, "creds/keys"));
    CHECK_OK(path_join(erasing, state, ".keys.erasing"));
    CHECK_OK(rename(credential, erasing));
    start();
    CHECK(swarm_state(m.swarm) == SWARM_INACTIVE && !exists(".keys.erasing") && !exists("node.json.sweep"));
    CHECK_OK(init(false, NULL, NULL));
    stop();
    CHECK_OK(unlink(from));
    start();
    CHECK(swarm_state(m.swarm) == SWARM_ERROR && strstr(swarm_why(m.swarm), "node.json") && exists("creds/keys") && exists("raft"));
    CHECK_OK(leave(true));
    CHECK(swarm_state(m.swarm) == SWARM_INACTIVE);
    stop();
}

/* What anybody may ask does not keep others from being served. */
static void test_listings(void)
{
    struct swarm_request *lists[LISTS], *refused = swarm_request_new(SWARM_LIST_KEYSLOTS);
    bool done[LISTS] = { false };

    start();
    for (unsigned i = 0; i < LISTS; i++) {
        lists[i] = swarm_request_new(SWARM_LIST_KEYSLOTS);
        lists[i]->done = on_done;
        lists[i]->data = &done[i];
        CHECK_OK(swarm_submit(m.swarm, lists[i]));
    }
    CHECK(swarm_submit(m.swarm, refused) == -EAGAIN);
    CHECK_OK(init(false, NULL, NULL));
    for (unsigned i = 0; i < LISTS; i++) {
        CHECK(done[i] && lists[i]->result == -ESRCH);
        swarm_request_free(lists[i]);
    }
    swarm_request_free(refused);
    CHECK_OK(simple(SWARM_LIST_KEYSLOTS));
    CHECK_OK(leave(true));
    stop();
}

int main(void)
{
    machine_begin();
    test_open();
    test_locked();
    test_put_back();
    test_on_and_off();
    test_seal_fails();
    test_leftovers();
    test_listings();
    machine_end();
    return 0;
}
