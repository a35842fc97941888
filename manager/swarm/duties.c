/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the leader does for the swarm, one change at a time, each looked at anew at the next turn. Loop's thread. */
#include <errno.h>
#include <string.h>

#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/units.h"

#define DOWN_MS 7000 /* three heartbeats and what they may take */
#define TRANSFER_MS 3000

static void on_done(void *data, int result _unused_)
{
    struct swarm *s = data;

    s->duty_busy = false;
}

static void propose(struct swarm *s, Pb__Command *command)
{
    void *encoded = NULL;
    size_t size = 0;
    int r = command_encode(command, &encoded, &size);

    if (r == 0)
        r = replica_propose(s->replica, encoded, size, on_done, s);
    erasing_free(encoded);
    s->duty_busy = r == 0;
}

static Pb__NodeState state_of(const struct swarm *s, const Pb__Node *node)
{
    if (seen_since(s, node->meta->id, DOWN_MS))
        return PB__NODE_STATE__READY;
    /* a leader of a moment has not heard of anybody yet */
    return uv_now(s->config.loop) - s->led_since < DOWN_MS ? node->state : PB__NODE_STATE__DOWN;
}

static bool set_states(struct swarm *s)
{
    for (size_t i = 0; i < store_n_nodes(s->store); i++) {
        const Pb__Node *node = store_node_at(s->store, i);
        Pb__SetNodeState set = PB__SET_NODE_STATE__INIT;
        Pb__Command command = PB__COMMAND__INIT;

        set.state = state_of(s, node);
        if (set.state == node->state)
            continue;
        set.id = node->meta->id;
        set.since = swarm_now();
        command.what_case = PB__COMMAND__WHAT_SET_NODE_STATE;
        command.set_node_state = &set;
        propose(s, &command);
        return true;
    }
    return false;
}

/* Whether this member of the log's group is to stay: the swarm knows it as a manager. */
static bool belongs(const struct swarm *s, uint64_t raft_id)
{
    const Pb__Node *node = network_node_of(s, raft_id);

    return node && node->role == PB__ROLE__MANAGER;
}

static bool remove_members(struct swarm *s)
{
    for (size_t i = 0; i < replica_n_members(s->replica); i++) {
        const char *address;
        uint64_t id;
        bool votes;
        int r;

        replica_member_at(s->replica, i, &id, &address, &votes);
        if (belongs(s, id))
            continue;
        /* nobody removes itself: the next leader does */
        r = id == s->node.raft_id ? replica_transfer(s->replica, 0, on_done, s) : replica_remove(s->replica, id, on_done, s);
        s->duty_busy = r == 0;
        return true;
    }
    return false;
}

/* The unlock key before the last goes when every manager has the newer one, or when its time is over. */
static bool retirement_is_over(const struct swarm *s, const Pb__Cluster *cluster)
{
    if (cluster->retiring_generation == 0)
        return false;
    if (swarm_now() >= cluster->retiring_until)
        return true;
    for (size_t i = 0; i < store_n_nodes(s->store); i++) {
        const Pb__Node *node = store_node_at(s->store, i);

        if (node->role == PB__ROLE__MANAGER && node->key_generation < cluster->unlock_generation)
            return false;
    }
    return true;
}

static void put_cluster(struct swarm *s, Pb__Cluster *cluster)
{
    Pb__PutCluster put = PB__PUT_CLUSTER__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    put.cluster = cluster;
    command.what_case = PB__COMMAND__WHAT_PUT_CLUSTER;
    command.put_cluster = &put;
    propose(s, &command);
}

static bool end_retirement(struct swarm *s)
{
    Pb__Cluster cluster = *store_cluster(s->store);

    if (!retirement_is_over(s, &cluster))
        return false;
    cluster.retiring_unlock_key = (ProtobufCBinaryData) { 0, NULL };
    cluster.retiring_generation = 0;
    cluster.retiring_until = 0;
    put_cluster(s, &cluster);
    return true;
}

static bool all_certified(const struct swarm *s)
{
    for (size_t i = 0; i < store_n_nodes(s->store); i++)
        if (!swarm_node_is_certified(s, store_node_at(s->store, i)))
            return false;
    return true;
}

/* The old root goes when nobody needs it. */
static bool end_ca_rotation(struct swarm *s)
{
    Pb__Cluster cluster = *store_cluster(s->store);

    if (cluster.old_ca_certificate.len == 0 || !all_certified(s))
        return false;
    cluster.old_ca_certificate = cluster.cross_certificate = cluster.old_ca_key = (ProtobufCBinaryData) { 0, NULL };
    put_cluster(s, &cluster);
    return true;
}

/* What an update has replaced goes once no unit has it and no rollout keeps it. */
static bool prune(struct swarm *s)
{
    for (int kind = PB__KIND__SECRET; kind <= PB__KIND__CONFIG; kind++)
        for (size_t i = 0; i < store_n_objects(s->store, (Pb__Kind) kind); i++) {
            const Pb__Object *object = store_object_at(s->store, (Pb__Kind) kind, i);
            Pb__PruneObject prune = PB__PRUNE_OBJECT__INIT;
            Pb__Command command = PB__COMMAND__INIT;

            if (!store_can_prune(s->store, (Pb__Kind) kind, object))
                continue;
            prune.kind = (Pb__Kind) kind;
            prune.id = object->meta->id;
            command.what_case = PB__COMMAND__WHAT_PRUNE_OBJECT;
            command.prune_object = &prune;
            propose(s, &command);
            return true;
        }
    return false;
}

void duties_turn(struct swarm *s)
{
    if (s->duty_busy || !store_cluster(s->store))
        return;
    if (!set_states(s) && !remove_members(s) && !rollouts_turn(s) && !end_retirement(s) && !end_ca_rotation(s))
        (void) prune(s);
}
