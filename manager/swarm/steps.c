/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lifecycle thread's way to what belongs to the loop's thread. */
#include <errno.h>
#include <string.h>

#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

#define PROPOSE_SECONDS 5

struct error_step {
    struct swarm *swarm;
    struct error *error;
};

struct state_step {
    struct swarm *swarm;
    enum swarm_state state;
    const char *why;
    uint32_t generation;
};

static void set_state(void *data, struct completion *c)
{
    struct state_step *step = data;
    struct swarm *s = step->swarm;

    s->state = step->state;
    s->locked_generation = step->generation;
    (void) error_set(&s->why, 0, "%s", step->why ? step->why : "");
    s->config.on_state(s->config.data);
    completion_done(c, 0);
}

void step_set_state(struct swarm *s, enum swarm_state state, const char *why)
{
    struct state_step step = { s, state, why, 0 };

    (void) lifecycle_on_loop(s->lifecycle, set_state, &step);
}

void step_set_locked(struct swarm *s, uint32_t generation)
{
    struct state_step step = { s, SWARM_LOCKED, NULL, generation };

    (void) lifecycle_on_loop(s->lifecycle, set_state, &step);
}

static void get_state(void *data, struct completion *c)
{
    struct state_step *step = data;

    step->state = step->swarm->state;
    completion_done(c, 0);
}

enum swarm_state step_get_state(struct swarm *s)
{
    struct state_step step = { .swarm = s, .state = SWARM_INACTIVE };

    (void) lifecycle_on_loop(s->lifecycle, get_state, &step);
    return step.state;
}

static void watch_lock(void *data, struct completion *c)
{
    struct swarm *s = data;

    lock_watch_start(s->watch);
    completion_done(c, 0);
}

void step_watch_lock(struct swarm *s)
{
    (void) lifecycle_on_loop(s->lifecycle, watch_lock, s);
}

static void check_active(void *data, struct completion *c)
{
    struct error_step *step = data;

    completion_done(c, swarm_check_active(step->swarm, step->error));
}

int step_require_active(struct swarm *s, struct error *e)
{
    struct error_step step = { s, e };

    return lifecycle_on_loop(s->lifecycle, check_active, &step);
}

struct propose_step {
    struct swarm *swarm;
    const void *command;
    size_t size;
};

static void on_result(void *data, int result)
{
    completion_done(data, result);
}

static void propose(void *data, struct completion *c)
{
    struct propose_step *step = data;
    int r = -ENOTCONN;

    if (step->swarm->replica)
        r = swarm_propose(step->swarm, step->command, step->size, on_result, c);
    if (r < 0)
        completion_done(c, r);
}

int step_propose(struct swarm *s, const Pb__Command *command)
{
    const uint64_t deadline = uv_hrtime() + PROPOSE_SECONDS * UINT64_C(1000000000);
    struct propose_step step = { .swarm = s };
    void *encoded = NULL;
    int r;

    r = command_encode(command, &encoded, &step.size);
    if (r < 0)
        return r;
    step.command = encoded;
    do
        r = lifecycle_on_loop(s->lifecycle, propose, &step);
    while (r == -EAGAIN && uv_hrtime() < deadline && lifecycle_sleep(s->lifecycle, 10) == 0);
    erasing_free(encoded);
    return r == -ESTALE ? -EREMCHG : r;
}

static void be_current(void *data, struct completion *c)
{
    struct error_step *step = data;
    int r = swarm_check_active(step->swarm, step->error);

    if (r == 0 && !swarm_is_alone(step->swarm)) {
        r = swarm_barrier(step->swarm, on_result, c);
        if (r == 0)
            return;
        r = swarm_error_no_leader(step->error);
    }
    completion_done(c, r);
}

int step_current(struct swarm *s, struct error *e)
{
    struct error_step step = { s, e };
    int r = lifecycle_on_loop(s->lifecycle, be_current, &step);

    return r < 0 && (!e || e->text[0] == '\0') ? swarm_error_no_leader(e) : r;
}

static void is_alone(void *data, struct completion *c)
{
    completion_done(c, swarm_is_alone(data));
}

bool step_is_alone(struct swarm *s)
{
    return lifecycle_on_loop(s->lifecycle, is_alone, s) > 0;
}

struct copy_step {
    struct swarm *swarm;
    const char *id; /* NULL: the cluster */
    bool ahead;
    ProtobufCMessage *copy;
};

/* What can be packed can be unpacked, so the only failure is memory. */
static ProtobufCMessage *message_copy(const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    struct erasing_allocator allocator;
    uint8_t *packed = malloc(size);
    ProtobufCMessage *copy;

    if (!packed)
        return NULL;
    erasing_allocator_init(&allocator);
    (void) protobuf_c_message_pack(m, packed);
    copy = protobuf_c_message_unpack(m->descriptor, &allocator.allocator, size, packed);
    erasing_free(packed);
    return copy;
}

static void copy_message(void *data, struct completion *c)
{
    struct copy_step *step = data;
    struct store *store = step->ahead ? step->swarm->ahead : step->swarm->store;
    const ProtobufCMessage *m = NULL;

    if (store && step->id)
        m = (const ProtobufCMessage *) store_node(store, step->id);
    else if (store)
        m = (const ProtobufCMessage *) store_cluster(store);
    if (m)
        step->copy = message_copy(m);
    completion_done(c, !m ? -ENOENT : step->copy ? 0 : -ENOMEM);
}

static int copy_cluster(struct swarm *s, bool ahead, Pb__Cluster **ret)
{
    struct copy_step step = { .swarm = s, .ahead = ahead };
    int r = lifecycle_on_loop(s->lifecycle, copy_message, &step);

    if (r == 0)
        *ret = (Pb__Cluster *) step.copy;
    return r;
}

int step_cluster(struct swarm *s, Pb__Cluster **ret)
{
    return copy_cluster(s, false, ret);
}

int step_cluster_ahead(struct swarm *s, Pb__Cluster **ret)
{
    return copy_cluster(s, true, ret);
}

int step_active_cluster(struct swarm *s, Pb__Cluster **ret, struct error *e)
{
    int r = step_require_active(s, e);

    return r < 0 ? r : step_cluster(s, ret);
}

int step_node(struct swarm *s, const char *id, Pb__Node **ret)
{
    struct copy_step step = { .swarm = s, .id = id };
    int r = lifecycle_on_loop(s->lifecycle, copy_message, &step);

    if (r == 0)
        *ret = (Pb__Node *) step.copy;
    return r;
}

void cluster_free(Pb__Cluster *c)
{
    erasing_message_free(&c->base);
}

void node_free(Pb__Node *n)
{
    erasing_message_free(&n->base);
}

int step_put_cluster(struct swarm *s, Pb__Cluster *cluster)
{
    Pb__PutCluster put = PB__PUT_CLUSTER__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    cluster->meta->updated = swarm_now();
    put.cluster = cluster;
    command.what_case = PB__COMMAND__WHAT_PUT_CLUSTER;
    command.put_cluster = &put;
    return step_propose(s, &command);
}

int step_put_node(struct swarm *s, Pb__Node *node)
{
    Pb__PutNode put = PB__PUT_NODE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    node->meta->updated = swarm_now();
    put.node = node;
    command.what_case = PB__COMMAND__WHAT_PUT_NODE;
    command.put_node = &put;
    return step_propose(s, &command);
}
