/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lifecycle thread's way to the replica and its keys, which belong to the loop's thread. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "swarm/swarm_private.h"
#include "swarm/watchers.h"

struct error_step {
    struct swarm *swarm;
    struct error *error;
};

static void on_result(void *data, int result)
{
    completion_done(data, result);
}

struct keyring_step {
    struct swarm *swarm;
    const struct bundle *bundle;
    uint32_t active;
};

static void set_keyring(void *data, struct completion *c)
{
    struct keyring_step *step = data;
    const struct bundle *b = step->bundle;
    uint32_t ids[BUNDLE_DEKS_MAX];
    _cleanup_(secret_done) struct secret keys = SECRET_NULL;
    int r;

    r = secret_new((size_t) b->n_deks * KEYRING_KEY_SIZE, &keys);
    for (uint32_t i = 0; r == 0 && i < b->n_deks; i++) {
        ids[i] = b->deks[i].id;
        memcpy(keys.data + i * KEYRING_KEY_SIZE, b->deks[i].key, KEYRING_KEY_SIZE);
    }
    if (r == 0)
        r = keyring_set(step->swarm->keyring, ids, (const unsigned char (*)[KEYRING_KEY_SIZE]) keys.data, b->n_deks, step->active);
    completion_done(c, r);
}

int step_keyring(struct swarm *s, const struct bundle *bundle, uint32_t active)
{
    struct keyring_step step = { s, bundle, active };

    return lifecycle_on_loop(s->lifecycle, set_keyring, &step);
}

static int machine_apply(void *data, const void *command, size_t size)
{
    struct swarm *s = data;
    unsigned changed = 0;
    int r = store_apply(s->store, command, size, &changed);

    if (changed)
        turn_store_changed(s, changed);
    return r;
}

static int machine_snapshot(void *data, void **ret, size_t *ret_size)
{
    struct swarm *s = data;

    return store_snapshot(s->store, ret, ret_size);
}

static int machine_restore(void *data, const void *snapshot, size_t size)
{
    struct swarm *s = data;
    int r = store_restore(s->store, snapshot, size);

    if (r == 0)
        turn_store_changed(s, STORE_CHANGED_CLUSTER | STORE_CHANGED_NODES | STORE_CHANGED_OBJECTS | STORE_CHANGED_SERVICES | STORE_CHANGED_USAGE |
                                  STORE_CHANGED_REMOVED);
    return r;
}

static int ahead_apply(void *data, const void *command, size_t size)
{
    const struct swarm *s = data;
    unsigned changed;

    return store_apply(s->ahead, command, size, &changed);
}

static int ahead_restore(void *data, const void *snapshot, size_t size)
{
    const struct swarm *s = data;

    return store_restore(s->ahead, snapshot, size);
}

static struct replica_config replica_config(struct swarm *s)
{
    return (struct replica_config) {
        .loop = s->config.loop,
        .folder = s->files.raft,
        .highwater = s->files.highwater,
        .id = s->node.raft_id,
        .address = s->node.advertise,
        .keyring = s->keyring,
        .machine = { s, machine_apply, machine_snapshot, machine_restore },
        .snapshot_threshold = s->config.snapshot_threshold,
        .links = network_links(s),
    };
}

static void know_leader(struct swarm *s)
{
    bool leads = swarm_is_leader(s);
    const char *address = "";

    if (s->caller && s->replica && replica_leader(s->replica, &address) != 0)
        peer_caller_set_leader(s->caller, address);
    if (leads && !s->led) {
        s->led_since = uv_now(s->config.loop);
        seen_forget_all(s);
    }
    if (s->led && !leads)
        watchers_release(s->watchers);
    s->led = leads;
}

static void on_replica_change(void *data)
{
    struct swarm *s = data;
    const char *failure = s->replica ? replica_failure(s->replica) : NULL;

    know_leader(s);
    if (!failure || s->state == SWARM_ERROR)
        return;
    swarm_event(s, SWARM_EVENT_REPLICA_FAILED, NULL, -1, 0, failure);
    s->state = SWARM_ERROR;
    (void) error_set(&s->why, 0, "%s", failure);
    s->config.on_state(s->config.data);
}

static void bootstrap_replica(void *data, struct completion *c)
{
    struct error_step *step = data;
    struct replica_config config;

    step->swarm->node = step->swarm->file;
    config = replica_config(step->swarm);
    completion_done(c, replica_bootstrap(&config, step->error));
}

int step_replica_bootstrap(struct swarm *s, struct error *e)
{
    struct error_step step = { s, e };

    return lifecycle_on_loop(s->lifecycle, bootstrap_replica, &step);
}

static void recover_replica(void *data, struct completion *c)
{
    struct error_step *step = data;
    struct replica_config config;

    step->swarm->node = step->swarm->file;
    config = replica_config(step->swarm);
    completion_done(c, replica_recover(&config, step->error));
}

int step_replica_recover(struct swarm *s, struct error *e)
{
    struct error_step step = { s, e };

    return lifecycle_on_loop(s->lifecycle, recover_replica, &step);
}

struct open_step {
    struct swarm *swarm;
    bool look_ahead;
    struct error *error;
};

static void open_replica(void *data, struct completion *c)
{
    struct open_step *step = data;
    struct swarm *s = step->swarm;
    const struct replica_machine ahead = { s, ahead_apply, NULL, ahead_restore };
    struct replica_config config;
    int r = 0;

    s->node = s->file;
    config = replica_config(s);
    s->store = store_new();
    if (step->look_ahead)
        s->ahead = store_new();
    if (s->ahead)
        config.ahead = &ahead;
    if (!s->store)
        r = error_set(step->error, -ENOMEM, "out of memory");
    if (r == 0 && !s->node.has_log && access(config.folder, F_OK) < 0)
        r = replica_create(&config, step->error);
    if (r == 0)
        r = replica_open(&config, on_replica_change, s, &s->replica, step->error);
    if (r < 0) {
        store_free(s->store);
        s->store = NULL;
        completion_done(c, r);
        return;
    }
    if (replica_notice(s->replica))
        swarm_event(s, SWARM_EVENT_MENDED, NULL, -1, 0, replica_notice(s->replica));
    s->awaits_leader = !swarm_is_alone(s);
    if (s->awaits_leader) {
        activate_wait(s);
        completion_done(c, 1);
        return;
    }
    r = replica_barrier(s->replica, on_result, c);
    if (r < 0)
        completion_done(c, error_set(step->error, r, "the log cannot be read to its end: %s", strerror(-r)));
}

int step_replica_open(struct swarm *s, bool look_ahead, struct error *e)
{
    struct open_step step = { s, look_ahead, e };

    return lifecycle_on_loop(s->lifecycle, open_replica, &step);
}

struct rewrite_step {
    struct swarm *swarm;
    struct completion *completion;
};

static void on_rewritten(void *data, int result)
{
    struct rewrite_step *step = data;

    step->swarm->rewriting = false;
    completion_done(step->completion, result);
}

static void rewrite_replica(void *data, struct completion *c)
{
    struct rewrite_step *step = data;
    struct swarm *s = step->swarm;
    int r;

    step->completion = c;
    r = s->replica ? replica_rewrite(s->replica, on_rewritten, step) : -ENOTCONN;
    s->rewriting = r == 0;
    s->turns_alone = 0;
    if (r < 0)
        completion_done(c, r);
}

int step_replica_rewrite(struct swarm *s)
{
    struct rewrite_step step = { .swarm = s };

    return lifecycle_on_loop(s->lifecycle, rewrite_replica, &step);
}

static void on_replica_closed(void *data)
{
    completion_done(data, 0);
}

static void close_replica(void *data, struct completion *c)
{
    struct swarm *s = data;
    struct replica *r = TAKE_PTR(s->replica);

    s->awaits_leader = false;
    if (r)
        replica_close(r, on_replica_closed, c);
    else
        completion_done(c, 0);
}

static void free_store(void *data, struct completion *c)
{
    struct swarm *s = data;

    store_free(s->store);
    s->store = NULL;
    completion_done(c, 0);
}

static void forget_ahead(void *data, struct completion *c)
{
    struct swarm *s = data;

    store_free(s->ahead);
    s->ahead = NULL;
    completion_done(c, 0);
}

void step_forget_ahead(struct swarm *s)
{
    (void) lifecycle_on_loop(s->lifecycle, forget_ahead, s);
}

void step_replica_close(struct swarm *s)
{
    (void) lifecycle_on_loop(s->lifecycle, close_replica, s);
    (void) lifecycle_on_loop(s->lifecycle, free_store, s);
}
