/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole manager in one process, with real keyslots and a real log; only systemd is played: a thread seals credentials, and a restart
 * unseals the one that is on disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/file.h"
#include "keys/bundle.h"
#include "swarm/swarm.h"
#include "test.h"

#define LISTS 4 /* of keyslots at once */
#define TYPE_SIZE 32 /* what stands before the payload in a credential of the host key */

static char root[] = "/tmp/test-swarm-XXXXXX";
static char state[PATH_MAX], credentials[PATH_MAX], seal_socket[64];
static _Atomic bool seal_fails;

static struct {
    uv_loop_t loop;
    struct swarm *swarm;
    unsigned events[16];
} m;

/* --- systemd's part */

static const unsigned char host_type[TYPE_SIZE] = { 0x5a, 0x1c, 0x6a, 0x86, 0xdf, 0x9d, 0x40, 0x96, 0xb1, 0xd5, 0xa6, 0x5e, 0x08, 0x62, 0xf1, 0x9a,
                                                    32, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0 };

static void seal(int fd)
{
    static unsigned char bin[65536];
    static char text[131072];
    size_t n = TYPE_SIZE;
    ssize_t got;

    memcpy(bin, host_type, TYPE_SIZE);
    memset(bin + n, 0, 28);
    n += 28;
    while ((got = read(fd, bin + n, sizeof(bin) - n)) > 0)
        n += (size_t) got;
    if (seal_fails)
        return;
    CHECK(sodium_bin2base64(text, sizeof(text), bin, n, sodium_base64_VARIANT_ORIGINAL));
    CHECK(write(fd, text, strlen(text)) == (ssize_t) strlen(text));
}

static void *seal_helper(void *data)
{
    int listening = *(int *) data;

    for (;;) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return NULL;
        seal(fd);
        (void) close(fd);
    }
}

/* What LoadCredentialEncrypted= does. */
static void unseal(void)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL, bin = SECRET_NULL;
    char from[PATH_MAX], to[PATH_MAX];
    size_t n;

    CHECK_OK(path_join(from, state, "creds/keys"));
    CHECK_OK(path_join(to, credentials, "swarm_keys"));
    (void) unlink(to);
    if (file_read(from, 1 << 20, &text, NULL) < 0)
        return;
    CHECK_OK(secret_new(text.size, &bin));
    CHECK_OK(sodium_base642bin(bin.data, bin.size, (char *) text.data, text.size, "\n", &n, NULL, sodium_base64_VARIANT_ORIGINAL));
    CHECK_OK(file_write(to, bin.data + TYPE_SIZE + 28, n - TYPE_SIZE - 28, 0600, NULL));
}

/* --- the manager */

static void on_state(void *data _unused_)
{
}

static void on_event(void *data _unused_, const struct swarm_event_info *info)
{
    m.events[info->event]++;
    if (info->event == SWARM_EVENT_TROUBLE || info->event == SWARM_EVENT_DAMAGED)
        (void) fprintf(stderr, "event: %s\n", info->text);
}

static void start(void)
{
    struct swarm_config config = { .loop = &m.loop, .folder = state, .seal_socket = seal_socket, .hostname = "m1", .on_state = on_state, .on_event = on_event };

    unseal();
    memset(m.events, 0, sizeof(m.events));
    CHECK_OK(uv_loop_init(&m.loop));
    CHECK_OK(swarm_new(&config, &m.swarm));
    while (swarm_state(m.swarm) == SWARM_PENDING)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
}

static void on_closed(void *data _unused_)
{
    m.swarm = NULL;
}

static void stop(void)
{
    swarm_close(m.swarm, on_closed, NULL);
    CHECK(uv_run(&m.loop, UV_RUN_DEFAULT) == 0);
    CHECK(!m.swarm);
    CHECK_OK(uv_loop_close(&m.loop));
}

static void on_done(void *data, struct swarm_request *r)
{
    *(bool *) data = true;
    (void) r;
}

/* Runs the request to its end; the caller frees it. */
static int complete(struct swarm_request *r)
{
    bool done = false;

    r->done = on_done;
    r->data = &done;
    CHECK_OK(swarm_submit(m.swarm, r));
    while (!done)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    return r->result;
}

static int simple(enum swarm_verb verb)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(verb);

    return complete(r);
}

static int leave(bool force)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_LEAVE);

    r->force = force;
    return complete(r);
}

static int init(bool autolock, struct secret *ret_key, uint32_t *ret_generation)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_INIT);

    r->autolock = autolock;
    (void) strcpy(r->advertise, "127.0.0.1");
    if (complete(r) < 0) {
        (void) fprintf(stderr, "init: %s\n", r->error.text);
        return r->result;
    }
    CHECK(strlen(r->ret_id) == STORE_ID_LEN && strcmp(r->ret_address, "127.0.0.1:2377") == 0 && r->ret_token.size == 85);
    if (autolock) {
        *ret_key = secret_take(&r->ret_key);
        *ret_generation = r->ret_generation;
    }
    return 0;
}

static int new_key(enum swarm_verb verb, struct secret *ret_key, uint32_t *ret_generation)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(verb);

    if (complete(r) < 0)
        return r->result;
    secret_done(ret_key);
    *ret_key = secret_take(&r->ret_key);
    *ret_generation = r->ret_generation;
    return 0;
}

static int confirm(uint32_t generation)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_CONFIRM_UNLOCK_KEY);

    r->generation = generation;
    if (complete(r) < 0)
        (void) fprintf(stderr, "confirm: %s\n", r->error.text);
    return r->result;
}

static int unlock(const void *key, size_t size)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_UNLOCK);

    CHECK_OK(secret_copy(key, size, &r->key));
    return complete(r);
}

/* The work after an unlock is a request of its own: one more that comes behind it has seen it end. */
static void settle(void)
{
    (void) simple(SWARM_LIST_KEYSLOTS);
}

static int created;

static void on_created(void *data _unused_, int result, const char *id _unused_, const struct error *e _unused_)
{
    created = result;
}

static int create(const char *name)
{
    char *labels[] = { NULL };
    struct error e;
    int r;

    created = 1;
    r = swarm_create_object(m.swarm, PB__KIND__SECRET, name, labels, "hunter2-in-clear", 16, on_created, NULL, &e);
    if (r < 0)
        return r;
    while (created > 0)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    return created;
}

static bool has(const char *name)
{
    const Pb__Object *o;

    return store_find_object(swarm_store(m.swarm), PB__KIND__SECRET, name, &o) == 0;
}

static bool exists(const char *name)
{
    char path[PATH_MAX];

    CHECK_OK(path_join(path, state, name));
    return access(path, F_OK) == 0;
}

/* What a thief who copied the disk before has: the KEK, and through it the DEKs. */
static struct bundle *steal(struct secret *ret_kek)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    struct bundle *b;
    char path[PATH_MAX];
    bool open;

    unseal();
    CHECK_OK(path_join(path, credentials, "swarm_keys"));
    CHECK_OK(file_read(path, 1 << 20, &blob, NULL));
    CHECK_OK(bundle_embedded_kek(&blob, &open, ret_kek));
    CHECK(open);
    CHECK_OK(bundle_unseal(&blob, ret_kek, &b));
    return b;
}

/* How many records in the log's folder name that DEK (docs/FORMATS.md, "Record"). */
static unsigned count_records(uint32_t dek)
{
    const unsigned char header[] = { 'S', 'W', 'R', 1, (unsigned char) dek, 0, 0, 0 };
    char folder[PATH_MAX], path[PATH_MAX];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    CHECK_OK(path_join(folder, state, "raft"));
    d = opendir(folder);
    CHECK(d);
    while ((entry = readdir(d))) {
        _cleanup_free_ unsigned char *data = malloc(16U << 20);
        _cleanup_fclose_ FILE *f = NULL;
        size_t size;

        CHECK_OK(path_join(path, folder, entry->d_name));
        if (entry->d_name[0] == '.' || !(f = fopen(path, "re")))
            continue;
        size = fread(data, 1, 16U << 20, f);
        for (unsigned char *p = data; (p = memmem(p, size - (size_t) (p - data), header, sizeof(header))); p++)
            n++;
    }
    (void) closedir(d);
    return n;
}

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

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *f _unused_)
{
    return remove(path);
}

int main(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    pthread_t thread;
    int fd;

    CHECK_OK(secret_init());
    CHECK(mkdtemp(root));
    CHECK_OK(path_join(state, root, "state"));
    CHECK_OK(path_join(credentials, root, "credentials"));
    CHECK((size_t) snprintf(seal_socket, sizeof(seal_socket), "%s/seal", root) < sizeof(seal_socket));
    CHECK(mkdir(state, 0700) == 0 && mkdir(credentials, 0700) == 0 && setenv("CREDENTIALS_DIRECTORY", credentials, 1) == 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void) strcpy(a.sun_path, seal_socket);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 4) == 0);
    CHECK(pthread_create(&thread, NULL, seal_helper, &fd) == 0);

    test_open();
    test_locked();
    test_on_and_off();
    test_seal_fails();
    test_leftovers();
    test_listings();

    (void) shutdown(fd, SHUT_RDWR);
    (void) pthread_join(thread, NULL);
    (void) close(fd);
    CHECK_OK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS));
    return 0;
}
