/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file.h"

static char root[] = "/tmp/test-swarm-XXXXXX";
char state[PATH_MAX], credentials[PATH_MAX], helpers[PATH_MAX];
struct machine m;

static char seal_socket[64];

void unseal(void)
{
    sealing_unseal(state, credentials);
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
    /* tests run beside each other */
    (void) snprintf(r->listen, sizeof(r->listen), "127.0.0.1:%d", 10000 + getpid() % 10000);
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
    CHECK_OK(secret_init());
    CHECK(mkdtemp(root));
    CHECK_OK(path_join(state, root, "state"));
    CHECK_OK(path_join(credentials, root, "credentials"));
    CHECK_OK(path_join(helpers, root, "helpers"));
    CHECK((size_t) snprintf(seal_socket, sizeof(seal_socket), "%s/seal", root) < sizeof(seal_socket));
    CHECK(mkdir(state, 0700) == 0 && mkdir(credentials, 0700) == 0 && mkdir(helpers, 0700) == 0);
    CHECK(setenv("CREDENTIALS_DIRECTORY", credentials, 1) == 0);
    sealing_begin(seal_socket);
}

void machine_end(void)
{
    sealing_end();
    CHECK_OK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS));
}
