/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/file.h"

#define TYPE_SIZE 32 /* what stands before the payload in a credential of the host key */

static char root[] = "/tmp/test-swarm-XXXXXX";
char state[PATH_MAX], credentials[PATH_MAX], helpers[PATH_MAX];
_Atomic bool seal_fails;
struct machine m;

static char seal_socket[64];
static pthread_t seal_thread;
static int seal_fd;

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

void unseal(void)
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

static void on_state(void *data _unused_)
{
}

static void on_event(void *data _unused_, const struct swarm_event_info *info)
{
    m.events[info->event]++;
    if (info->event == SWARM_EVENT_TROUBLE || info->event == SWARM_EVENT_DAMAGED)
        (void) fprintf(stderr, "event: %s\n", info->text);
}

void start(void)
{
    struct swarm_config config = {
        .loop = &m.loop,
        .folder = state,
        .seal_socket = seal_socket,
        .helpers = helpers,
        .hostname = "m1",
        .on_state = on_state,
        .on_event = on_event,
    };

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

void stop(void)
{
    swarm_close(m.swarm, on_closed, NULL);
    CHECK(uv_run(&m.loop, UV_RUN_DEFAULT) == 0);
    CHECK(!m.swarm);
    CHECK_OK(uv_loop_close(&m.loop));
}

void on_done(void *data, struct swarm_request *r)
{
    *(bool *) data = true;
    (void) r;
}

int complete(struct swarm_request *r)
{
    bool done = false;

    r->done = on_done;
    r->data = &done;
    CHECK_OK(swarm_submit(m.swarm, r));
    while (!done)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    return r->result;
}

int simple(enum swarm_verb verb)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(verb);

    return complete(r);
}

int leave(bool force)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_LEAVE);

    r->force = force;
    return complete(r);
}

int init(bool autolock, struct secret *ret_key, uint32_t *ret_generation)
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

int new_key(enum swarm_verb verb, struct secret *ret_key, uint32_t *ret_generation)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(verb);

    if (complete(r) < 0)
        return r->result;
    secret_done(ret_key);
    *ret_key = secret_take(&r->ret_key);
    *ret_generation = r->ret_generation;
    return 0;
}

int confirm(uint32_t generation)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_CONFIRM_UNLOCK_KEY);

    r->generation = generation;
    if (complete(r) < 0)
        (void) fprintf(stderr, "confirm: %s\n", r->error.text);
    return r->result;
}

int unlock(const void *key, size_t size)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_UNLOCK);

    CHECK_OK(secret_copy(key, size, &r->key));
    return complete(r);
}

void settle(void)
{
    (void) simple(SWARM_LIST_KEYSLOTS);
}

static int created;

static void on_created(void *data _unused_, int result, const char *id _unused_, const struct error *e _unused_)
{
    created = result;
}

int create(const char *name)
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

bool has(const char *name)
{
    const Pb__Object *o;

    return store_find_object(swarm_store(m.swarm), PB__KIND__SECRET, name, &o) == 0;
}

bool exists(const char *name)
{
    char path[PATH_MAX];

    CHECK_OK(path_join(path, state, name));
    return access(path, F_OK) == 0;
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *f _unused_)
{
    return remove(path);
}

void machine_begin(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    CHECK_OK(secret_init());
    CHECK(mkdtemp(root));
    CHECK_OK(path_join(state, root, "state"));
    CHECK_OK(path_join(credentials, root, "credentials"));
    CHECK_OK(path_join(helpers, root, "helpers"));
    CHECK((size_t) snprintf(seal_socket, sizeof(seal_socket), "%s/seal", root) < sizeof(seal_socket));
    CHECK(mkdir(state, 0700) == 0 && mkdir(credentials, 0700) == 0 && mkdir(helpers, 0700) == 0);
    CHECK(setenv("CREDENTIALS_DIRECTORY", credentials, 1) == 0);
    seal_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void) strcpy(a.sun_path, seal_socket);
    CHECK(seal_fd >= 0 && bind(seal_fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(seal_fd, 4) == 0);
    CHECK(pthread_create(&seal_thread, NULL, seal_helper, &seal_fd) == 0);
}

void machine_end(void)
{
    (void) shutdown(seal_fd, SHUT_RDWR);
    (void) pthread_join(seal_thread, NULL);
    (void) close(seal_fd);
    CHECK_OK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS));
}
