/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New keys for the disk of one manager: what opens it afterwards, what is carried over, what is told. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <time.h>

#include "basic/file.h"
#include "machine.h"
#include "played.h"
#include "theft.h"

static struct secret unlock_key, old_key, recovery;
static uint32_t generation;

static const Pb__Node *self(void)
{
    return store_node(swarm_store(m.swarm), swarm_node_id(m.swarm));
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Asks for it: now, or with the key of that generation. The count that it comes to. */
static int ask(uint32_t with, uint32_t *ret)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_REKEY);

    r->generation = with;
    if (complete(r) < 0)
        return r->result;
    *ret = r->ret_rekey;
    return 0;
}

static void await(uint32_t count)
{
    const int64_t until = now_ms() + 60000;

    while (self()->rekeyed < count) {
        CHECK(now_ms() < until);
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    }
}

static void rekey(void)
{
    uint32_t count = 0;

    CHECK_OK(ask(0, &count));
    await(count);
}

static struct swarm_request *with_kind(const char *kind)
{
    struct swarm_request *r = swarm_request_new(SWARM_ADD_KEYSLOT);

    r->options = calloc(1, sizeof(*r->options));
    CHECK(r->options);
    (void) strcpy(r->options->kind, kind);
    (void) strcpy(r->options->urls[0], "http://t1");
    r->options->n_urls = r->options->threshold = 1;
    r->options->trust_first = true;
    return r;
}

static void add(const char *kind, const char *passphrase)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = with_kind(kind);

    if (passphrase)
        CHECK_OK(secret_copy(passphrase, strlen(passphrase), &r->key));
    CHECK_OK(complete(r));
    if (strcmp(kind, "recovery") == 0) {
        secret_done(&recovery);
        recovery = secret_take(&r->ret_key);
    }
}

static unsigned count_kind(const char *kind)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_LIST_KEYSLOTS);
    unsigned n = 0;

    CHECK_OK(complete(r));
    for (unsigned i = 0; i < r->ret_n_keyslots; i++)
        n += !kind || strcmp(r->ret_keyslots[i].kind, kind) == 0;
    return n;
}

/* By its server or device alone. */
static int try_slot(const char *kind)
{
    _cleanup_(swarm_request_freep) struct swarm_request *list = swarm_request_new(SWARM_LIST_KEYSLOTS), *r = swarm_request_new(SWARM_TEST_KEYSLOT);

    list->force = true; /* while locked, too */
    CHECK_OK(complete(list));
    for (unsigned i = 0; i < list->ret_n_keyslots; i++)
        if (strcmp(list->ret_keyslots[i].kind, kind) == 0)
            r->slot = list->ret_keyslots[i].slot;
    return complete(r);
}

static void read_file(const char *folder, const char *name, struct secret *ret)
{
    char path[PATH_MAX];

    CHECK_OK(path_join(path, folder, name));
    CHECK_OK(file_read(path, 1 << 16, ret, NULL));
}

static unsigned count_chains(void)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    CHECK_OK(path_join(path, state, "tls"));
    d = opendir(path);
    CHECK(d);
    while ((entry = readdir(d)))
        n += strlen(entry->d_name) == 36;
    (void) closedir(d);
    return n;
}

/* What somebody has who copied the lock and the credential, and knows the unlock key of that time. */
struct copied {
    struct secret blob, kek;
    struct bundle *bundle;
    char certificate[8192];
};

static void copy_disk(struct copied *c, const struct secret *key)
{
    char path[PATH_MAX];

    *c = (struct copied) { .bundle = NULL };
    unseal();
    read_file(credentials, "swarm_keys", &c->blob);
    CHECK_OK(path_join(path, state, "keyslots.luks"));
    CHECK_OK(keyslots_open(path, key, &c->kek, NULL, NULL));
    CHECK_OK(bundle_unseal(&c->blob, &c->kek, &c->bundle));
    CHECK(self()->certificate.len < sizeof(c->certificate));
    memcpy(c->certificate, self()->certificate.data, self()->certificate.len);
}

/* Nothing that is on the disk now opens with it. */
static void check_copied(struct copied *c)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    struct bundle *b = NULL;

    unseal();
    read_file(credentials, "swarm_keys", &blob);
    CHECK(bundle_unseal(&blob, &c->kek, &b) == -EKEYREJECTED);
    for (uint32_t i = 0; i < c->bundle->n_deks; i++)
        CHECK(count_records(c->bundle->deks[i].id) == 0);
    CHECK(count_records(c->bundle->active_dek + 1) > 0);
    CHECK(memcmp(c->certificate, self()->certificate.data, self()->certificate.len) != 0 && count_chains() == 1);
    secret_done(&c->blob);
    secret_done(&c->kek);
    bundle_free(c->bundle);
}

static void restart(void)
{
    stop();
    start();
}

static void restart_locked(void)
{
    restart();
    CHECK(swarm_state(m.swarm) == SWARM_LOCKED);
}

static void unlock_again(void)
{
    CHECK_OK(unlock(unlock_key.data, unlock_key.size));
    settle();
}

/* --- the tests */

static void test_off(void)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, blob = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *stolen = NULL;
    struct bundle *b = NULL;
    uint32_t count;

    CHECK(ask(0, &count) == -ESRCH);
    CHECK_OK(init(false, NULL, NULL));
    CHECK_OK(create("a"));
    CHECK(ask(1, &count) == -ESTALE);
    stolen = steal(&kek);
    rekey();
    unseal();
    read_file(credentials, "swarm_keys", &blob);
    CHECK(bundle_unseal(&blob, &kek, &b) == -EKEYREJECTED);
    CHECK(count_records(stolen->active_dek) == 0 && count_records(stolen->active_dek + 1) > 0 && count_chains() == 1);
    CHECK(m.events[SWARM_EVENT_REKEY] == 1 && m.events[SWARM_EVENT_REKEYED] == 1 && self()->rekey_lost[0] == '\0');
    restart();
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && has("a") && self()->rekeyed == 1);
    CHECK_OK(create("b"));
    CHECK_OK(leave(true));
}

/* With the rotation that is for a key that others know. */
static void test_rotation(void)
{
    struct copied copied;
    uint32_t count;

    CHECK_OK(init(true, &unlock_key, &generation));
    CHECK_OK(confirm(generation));
    CHECK_OK(create("a"));
    add("tang", NULL);
    add("tpm2", NULL);
    add("recovery", NULL);
    add("passphrase", "correct horse battery staple");
    copy_disk(&copied, &unlock_key);
    CHECK_OK(secret_copy(unlock_key.data, unlock_key.size, &old_key));

    CHECK_OK(new_key(SWARM_ROTATE_UNLOCK_KEY, &unlock_key, &generation));
    CHECK(ask(generation - 1, &count) == -ESTALE && ask(generation + 1, &count) == -ESTALE);
    CHECK_OK(ask(generation, &count));
    CHECK(count == 1 && m.events[SWARM_EVENT_REKEY] == 0); /* not before the key was seen */
    restart_locked(); /* both keys unlock */
    CHECK_OK(unlock(old_key.data, old_key.size));
    settle();
    CHECK(self()->rekeyed == 0);
    CHECK_OK(confirm(generation));
    CHECK(m.events[SWARM_EVENT_REKEY] == 1);
    await(count);
    CHECK(m.events[SWARM_EVENT_REKEYED] == 1 && m.events[SWARM_EVENT_TROUBLE] == 0);
    check_copied(&copied);
    CHECK(strstr(self()->rekey_lost, "(recovery): only a person") && strstr(self()->rekey_lost, "(passphrase): only a person"));
    CHECK(!strstr(self()->rekey_lost, "tang") && !strstr(self()->rekey_lost, "tpm2"));
    CHECK(count_kind(NULL) == 3 && count_kind("unlock-key") == 1 && !exists("keyslots.luks.next"));
    CHECK_OK(try_slot("tang"));
    CHECK_OK(try_slot("tpm2"));

    restart_locked();
    CHECK(unlock(old_key.data, old_key.size) == -EKEYREJECTED && unlock(recovery.data, recovery.size) == -EKEYREJECTED);
    CHECK_OK(try_slot("tang"));
    CHECK_OK(unlock(unlock_key.data, unlock_key.size));
    settle();
    CHECK(has("a") && m.events[SWARM_EVENT_ROLLED_BACK] == 0 && m.events[SWARM_EVENT_TROUBLE] == 0);
}

/* The key stays; what cannot be reached is told, with the reason. */
static void test_on_demand(void)
{
    struct copied copied;

    copy_disk(&copied, &unlock_key);
    servers = SERVER_UNREACHABLE;
    tpm = TPM_REFUSES;
    rekey();
    check_copied(&copied);
    CHECK(strstr(self()->rekey_lost, "(tang http://t1): http://t1: as it is") && strstr(self()->rekey_lost, "(tpm2 PCRs 11): it does not open"));
    CHECK(count_kind(NULL) == 1);
    servers = SERVER_CURRENT;
    tpm = TPM_OPENS;
    add("tang", NULL);
    for (enum played_server s = SERVER_UNTRUSTED; s <= SERVER_LYING; s++) {
        servers = s;
        rekey();
        CHECK(strstr(self()->rekey_lost, "tang") && count_kind(NULL) == 1);
        servers = SERVER_CURRENT;
        add("tang", NULL);
    }
    servers = SERVER_ROTATED; /* and the new keys are vouched for */
    rekey();
    CHECK(self()->rekey_lost[0] == '\0' && count_kind("tang") == 1);
    servers = SERVER_CURRENT;
    restart_locked();
    unlock_again();
    CHECK_OK(try_slot("tang"));
}

/* A key that waits to be confirmed opens the new header, too. */
static void test_unconfirmed(void)
{
    _cleanup_(secret_done) struct secret next = SECRET_NULL;
    uint32_t next_generation;

    CHECK_OK(new_key(SWARM_ROTATE_UNLOCK_KEY, &next, &next_generation));
    rekey();
    CHECK(count_kind("unlock-key") == 2);
    restart_locked();
    unlock_again();
    restart_locked();
    CHECK_OK(unlock(next.data, next.size)); /* which confirms it */
    settle();
    restart_locked();
    CHECK(unlock(unlock_key.data, unlock_key.size) == -EKEYREJECTED);
    secret_done(&unlock_key);
    unlock_key = secret_take(&next);
    unlock_again();
}

/* A server that hangs holds up nobody, and not the end of the manager; the next start goes on. */
static void test_hung(void)
{
    int64_t from;
    uint32_t count;

    servers = SERVER_HUNG;
    CHECK_OK(ask(0, &count));
    while (hung == 0)
        (void) uv_run(&m.loop, UV_RUN_NOWAIT);
    from = now_ms();
    CHECK_OK(create("while-it-hangs"));
    CHECK(count_kind("tang") == 1 && self()->rekeyed < count && now_ms() - from < 1000);
    from = now_ms();
    stop();
    CHECK(now_ms() - from < 2000);
    servers = SERVER_CURRENT;
    start();
    unlock_again();
    await(count);
    CHECK(self()->rekey_lost[0] == '\0' && count_kind("tang") == 1);
}

static unsigned char put_back[4 << 20];

/* Another program, begun before, puts its copy of the lock back, which is one of keys that are gone: the manager makes its lock once more. */
static void test_put_back(void)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    char lock[PATH_MAX];
    size_t size;
    FILE *f;

    CHECK_OK(path_join(lock, state, "keyslots.luks"));
    f = fopen(lock, "re");
    CHECK(f);
    size = fread(put_back, 1, sizeof(put_back), f);
    CHECK(size > 0 && size < sizeof(put_back) && fclose(f) == 0);
    for (int i = 0; i < 2; i++) { /* it opens with the same unlock key; then with a former one */
        if (i == 0)
            rekey();
        else {
            CHECK_OK(new_key(SWARM_ROTATE_UNLOCK_KEY, &unlock_key, &generation));
            CHECK_OK(confirm(generation));
        }
        m.events[SWARM_EVENT_ROLLED_BACK] = 0;
        f = fopen(lock, "r+e");
        CHECK(f && fwrite(put_back, 1, size, f) == size && fclose(f) == 0);
        while (m.events[SWARM_EVENT_ROLLED_BACK] == 0)
            (void) uv_run(&m.loop, UV_RUN_ONCE);
        settle();
        CHECK(count_kind(NULL) == 1 && !exists("keyslots.luks.next"));
        restart_locked();
        unlock_again();
        CHECK(m.events[SWARM_EVENT_ROLLED_BACK] == 0 && m.events[SWARM_EVENT_TROUBLE] == 0);
        add("tang", NULL);
    }
    CHECK_OK(try_slot("tang"));
}

/* No credential can be sealed: what was in force stays, and it is done once it can. */
static void test_seal_fails(void)
{
    uint32_t count;

    seal_fails = true;
    CHECK_OK(ask(0, &count));
    while (m.events[SWARM_EVENT_TROUBLE] == 0)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    CHECK(self()->rekeyed < count);
    seal_fails = false;
    restart_locked();
    CHECK(!exists("keyslots.luks.next"));
    unlock_again();
    await(count);
    CHECK(count_kind("tang") == 1);
    CHECK_OK(try_slot("tang"));
    seal_fails = true;
    CHECK_OK(ask(0, &count));
    while (m.events[SWARM_EVENT_TROUBLE] == 0)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    seal_fails = false;
    await(count); /* by itself */
}

/* It fails once the credential is replaced, as when the machine goes down: whatever touches the lock then, the header that the credential
 * names stays. */
static void test_seal_fails_between(void)
{
    char lock[PATH_MAX];
    uint32_t count;
    uint64_t end;

    m.events[SWARM_EVENT_TROUBLE] = m.events[SWARM_EVENT_ROLLED_BACK] = 0;
    seals_left = 1;
    CHECK_OK(ask(0, &count));
    while (m.events[SWARM_EVENT_TROUBLE] == 0)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    CHECK(exists("keyslots.luks.next"));
    CHECK_OK(path_join(lock, state, "keyslots.luks"));
    CHECK_OK(utimensat(AT_FDCWD, lock, NULL, 0));
    end = uv_hrtime() + 2500 * UINT64_C(1000000);
    while (uv_hrtime() < end)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    CHECK(m.events[SWARM_EVENT_ROLLED_BACK] == 0);
    restart_locked();
    seals_left = -1;
    CHECK(!exists("keyslots.luks.next"));
    unlock_again();
    await(count);
}

/* Turning autolock off makes new keys as well: a copy of the lock and its key open nothing any more. */
static void test_turned_off(void)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    struct copied copied;
    struct bundle *b = NULL;

    copy_disk(&copied, &unlock_key);
    CHECK_OK(simple(SWARM_DISABLE_AUTOLOCK));
    unseal();
    read_file(credentials, "swarm_keys", &blob);
    CHECK(bundle_unseal(&blob, &copied.kek, &b) == -EKEYREJECTED);
    CHECK(count_records(copied.bundle->active_dek) == 0 && count_records(copied.bundle->active_dek + 1) > 0);
    secret_done(&copied.blob);
    secret_done(&copied.kek);
    bundle_free(copied.bundle);
    restart();
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && has("while-it-hangs"));
    rekey();
    CHECK_OK(leave(true));
}

int main(void)
{
    machine_begin();
    played_begin();
    start();
    test_off();
    test_rotation();
    test_on_demand();
    test_unconfirmed();
    test_hung();
    test_put_back();
    test_seal_fails();
    test_seal_fails_between();
    test_turned_off();
    stop();
    played_end();
    secret_done(&unlock_key);
    secret_done(&old_key);
    secret_done(&recovery);
    machine_end();
    return 0;
}
