/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "managers.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file.h"

static char root[] = "/tmp/test-managers-XXXXXX";
static char credentials[PATH_MAX], helpers[PATH_MAX], seal_socket[64];
uv_loop_t loop;
struct node nodes[MANAGERS_MAX];
void (*managers_on_served)(void *data);

static void on_state(void *data _unused_)
{
}

static void on_event(void *data, const struct swarm_event_info *info)
{
    struct node *n = data;

    n->events[info->event]++;
    if (info->text && (info->event == SWARM_EVENT_TROUBLE || info->event == SWARM_EVENT_DAMAGED || info->event == SWARM_EVENT_REFUSED))
        (void) fprintf(stderr, "%s: %s\n", n->hostname, info->text);
}

enum swarm_state node_state(const struct node *n)
{
    return swarm_state(n->swarm);
}

void node_start(struct node *n)
{
    struct swarm_config config = {
        .loop = &loop,
        .folder = n->state,
        .seal_socket = seal_socket,
        .helpers = helpers,
        .hostname = n->hostname,
        .on_state = on_state,
        .on_event = on_event,
        .runtime = n->runtime,
        .on_served = managers_on_served,
        .data = n,
    };

    sealing_unseal(n->state, credentials);
    memset(n->events, 0, sizeof(n->events));
    CHECK_OK(swarm_new(&config, &n->swarm));
    WAIT(node_state(n) != SWARM_PENDING || swarm_why(n->swarm)[0] != '\0');
}

static void on_closed(void *data)
{
    *(bool *) data = true;
}

void node_stop(struct node *n)
{
    bool closed = false;

    swarm_close(n->swarm, on_closed, &closed);
    WAIT(closed);
    n->swarm = NULL;
}

static void on_done(void *data, struct swarm_request *r _unused_)
{
    *(bool *) data = true;
}

int node_complete(struct node *n, struct swarm_request *r)
{
    bool done = false;

    r->done = on_done;
    r->data = &done;
    CHECK_OK(swarm_submit(n->swarm, r));
    WAIT(done);
    if (r->result < 0)
        (void) fprintf(stderr, "%s: %s\n", n->hostname, r->error.text);
    return r->result;
}

int node_simple(struct node *n, enum swarm_verb verb)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(verb);

    return node_complete(n, r);
}

static int confirm(struct node *n, uint32_t generation)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_CONFIRM_UNLOCK_KEY);

    r->generation = generation;
    return node_complete(n, r);
}

static int take_key(struct node *n, struct swarm_request *r, struct secret *ret_key)
{
    secret_done(ret_key);
    *ret_key = secret_take(&r->ret_key);
    return confirm(n, r->ret_generation);
}

int node_init(struct node *n, bool autolock, struct secret *ret_key)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_INIT);

    r->autolock = autolock;
    (void) strcpy(r->advertise, n->address);
    (void) strcpy(r->listen, n->address);
    if (node_complete(n, r) < 0)
        return r->result;
    return autolock ? take_key(n, r, ret_key) : 0;
}

int node_join(struct node *n, const struct node *through, Pb__Role role)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_JOIN);
    char address[SWARM_ADDRESS_MAX];
    struct error e;

    CHECK_OK(swarm_join_token(through->swarm, role, &r->key, address, &e));
    (void) strcpy(r->remote, through->address);
    (void) strcpy(r->listen, n->address);
    return node_complete(n, r);
}

int node_unlock(struct node *n, const struct secret *key)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_UNLOCK);

    CHECK_OK(secret_copy(key->data, key->size, &r->key));
    return node_complete(n, r);
}

int node_rotate(struct node *n, struct secret *ret_key)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_ROTATE_UNLOCK_KEY);

    return node_complete(n, r) < 0 ? r->result : take_key(n, r, ret_key);
}

static int ask_rekey(struct node *n, uint32_t generation)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_REKEY);

    r->generation = generation;
    return node_complete(n, r);
}

int node_rekey(struct node *n, struct secret *ret_key)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_ROTATE_UNLOCK_KEY);

    if (!ret_key)
        return ask_rekey(n, 0);
    if (node_complete(n, r) < 0 || ask_rekey(n, r->ret_generation) < 0)
        return -EIO;
    return take_key(n, r, ret_key);
}

static void name_node(struct swarm_request *r, const struct node *which)
{
    (void) strcpy(r->node, which->hostname);
}

int node_set_role(struct node *n, const struct node *which, Pb__Role role)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_UPDATE_NODE);

    name_node(r, which);
    r->has_role = true;
    r->role = role;
    return node_complete(n, r);
}

int node_remove(struct node *n, const struct node *which, bool force)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_REMOVE_NODE);

    name_node(r, which);
    r->force = force;
    return node_complete(n, r);
}

int node_leave(struct node *n)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_LEAVE);

    r->force = true;
    return node_complete(n, r);
}

static int outcome;

static void on_created(void *data _unused_, int result, const char *id _unused_, const struct error *e)
{
    outcome = result;
    if (result < 0)
        (void) fprintf(stderr, "create: %s\n", e->text);
}

static int create(struct node *n, const char *name)
{
    char *labels[] = { NULL };
    struct error e;
    int r;

    outcome = 1;
    r = swarm_create_object(n->swarm, PB__KIND__SECRET, name, labels, "hunter2-in-clear", 16, on_created, NULL, &e);
    if (r < 0) {
        (void) fprintf(stderr, "create: %s\n", e.text);
        return r;
    }
    WAIT(outcome <= 0);
    return outcome;
}

/* A machine that does other things as well may be late with its heartbeats: then it is as the error says. */
int node_create(struct node *n, const char *name)
{
    int r = create(n, name);

    for (unsigned i = 0; i < 5 && r == -EAGAIN && node_is_current(n); i++)
        r = node_has(n, name) ? 0 : create(n, name);
    return r;
}

bool node_has(const struct node *n, const char *name)
{
    const Pb__Object *o;

    return swarm_store(n->swarm) && store_find_object(swarm_store(n->swarm), PB__KIND__SECRET, name, &o) == 0;
}

static void on_current(void *data _unused_, int result, const struct error *e _unused_)
{
    outcome = result;
}

bool node_is_current(struct node *n)
{
    struct error e;
    int r;

    outcome = 1;
    r = swarm_read_current(n->swarm, on_current, NULL, &e);
    if (r != 0)
        return r > 0;
    WAIT(outcome <= 0);
    return outcome == 0;
}

const Pb__Node *node_seen_by(const struct node *n, const struct node *which)
{
    return swarm_store(n->swarm) ? store_node(swarm_store(n->swarm), swarm_node_id(which->swarm)) : NULL;
}

bool node_file_exists(const struct node *n, const char *name)
{
    char path[PATH_MAX];

    CHECK_OK(path_join(path, n->state, name));
    return access(path, F_OK) == 0;
}

void managers_begin(void)
{
    int port = 20000 + getpid() % 2400 * MANAGERS_MAX;

    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(secret_init());
    CHECK(mkdtemp(root));
    CHECK_OK(path_join(credentials, root, "credentials"));
    CHECK_OK(path_join(helpers, root, "helpers"));
    CHECK(mkdir(credentials, 0700) == 0 && mkdir(helpers, 0700) == 0);
    CHECK((size_t) snprintf(seal_socket, sizeof(seal_socket), "%s/seal", root) < sizeof(seal_socket));
    CHECK(setenv("CREDENTIALS_DIRECTORY", credentials, 1) == 0);
    sealing_begin(seal_socket);
    CHECK_OK(uv_loop_init(&loop));
    for (int i = 0; i < MANAGERS_MAX; i++) {
        struct node *n = &nodes[i];

        (void) snprintf(n->hostname, sizeof(n->hostname), "m%d", i + 1);
        (void) snprintf(n->address, sizeof(n->address), "127.0.0.1:%d", port + i);
        CHECK_OK(path_join(n->state, root, n->hostname));
        CHECK_OK(mkdir(n->state, 0700));
        (void) snprintf(n->runtime, sizeof(n->runtime), "%s/run-m%d", root, i + 1);
        CHECK_OK(mkdir(n->runtime, 0700));
    }
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *f _unused_)
{
    return remove(path);
}

void managers_end(void)
{
    for (int i = 0; i < MANAGERS_MAX; i++)
        if (nodes[i].swarm)
            node_stop(&nodes[i]);
    CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
    CHECK_OK(uv_loop_close(&loop));
    sealing_end();
    CHECK_OK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS));
}
