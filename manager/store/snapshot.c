/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/erasing_allocator.h"
#include "store/frame.h"
#include "store/rules.h"
#include "store/state.h"

#define SNAPSHOT_MAGIC "sws"

static void snapshot_free(Pb__Snapshot *snapshot)
{
    erasing_message_free((ProtobufCMessage *) snapshot);
}
DEFINE_CLEANUP(Pb__Snapshot *, snapshot_free)

int store_snapshot(const struct store *s, void **ret, size_t *ret_size)
{
    const struct index *secrets = &s->objects[PB__KIND__SECRET].by_id, *configs = &s->objects[PB__KIND__CONFIG].by_id;
    Pb__Snapshot snapshot = PB__SNAPSHOT__INIT;

    /* borrows everything */
    snapshot.version = s->version;
    snapshot.cluster = s->cluster;
    snapshot.nodes = (Pb__Node **) s->nodes.items;
    snapshot.n_nodes = s->nodes.n;
    snapshot.secrets = (Pb__Object **) secrets->items;
    snapshot.n_secrets = secrets->n;
    snapshot.configs = (Pb__Object **) configs->items;
    snapshot.n_configs = configs->n;
    snapshot.revocations = s->revocations.items;
    snapshot.n_revocations = s->revocations.n;
    return frame_encode(SNAPSHOT_MAGIC, &snapshot.base, FRAME_MAX, ret, ret_size);
}

/* A rule that a stored object breaks means damage, whatever the rule's own error is. */
static int check_item(int rule, const Pb__Snapshot *snapshot, const Pb__Meta *meta)
{
    return rule < 0 || meta->version == 0 || meta->version > snapshot->version ? -EBADMSG : 0;
}

/* Copies the pointers; they still belong to the snapshot. */
static int fill(struct index *x, void *const *items, size_t n)
{
    int r = index_reserve(x, n);

    if (r < 0)
        return r;
    return index_fill(x, items, n) ? 0 : -EBADMSG;
}

static int compare_raft_ids(const void *a, const void *b)
{
    const Pb__Node *x = *(Pb__Node *const *) a, *y = *(Pb__Node *const *) b;

    return x->raft_id < y->raft_id ? -1 : x->raft_id > y->raft_id;
}

/* Sorts nodes. */
static int check_raft_ids(Pb__Node **nodes, size_t n)
{
    if (n > 0)
        qsort(nodes, n, sizeof(*nodes), compare_raft_ids);
    for (size_t i = 1; i < n; i++)
        if (nodes[i]->raft_id != 0 && nodes[i]->raft_id == nodes[i - 1]->raft_id)
            return -EBADMSG;
    return 0;
}

static int fill_nodes(struct store *s, const Pb__Snapshot *snapshot)
{
    int r;

    for (size_t i = 0; i < snapshot->n_nodes; i++) {
        r = check_item(rules_check_node(snapshot->nodes[i]), snapshot, snapshot->nodes[i]->meta);
        if (r < 0)
            return r;
        s->size += protobuf_c_message_get_packed_size(&snapshot->nodes[i]->base);
    }
    r = check_raft_ids(snapshot->nodes, snapshot->n_nodes);
    if (r < 0)
        return r;
    return fill(&s->nodes, (void **) snapshot->nodes, snapshot->n_nodes);
}

static int fill_revocations(struct store *s, const Pb__Snapshot *snapshot)
{
    int r;

    if (snapshot->n_revocations > STORE_REVOCATIONS_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < snapshot->n_revocations; i++)
        if (rules_check_revocation(snapshot->revocations[i]) < 0)
            return -EBADMSG;
    r = revocations_reserve(&s->revocations, snapshot->n_revocations);
    if (r < 0)
        return r;
    if (!revocations_fill(&s->revocations, snapshot->revocations, snapshot->n_revocations))
        return -EBADMSG;
    for (size_t i = 0; i < s->nodes.n; i++)
        if (store_is_removed(s, store_node_at(s, i)->meta->id))
            return -EBADMSG;
    return 0;
}

static int fill_objects(struct store *s, const Pb__Snapshot *snapshot, Pb__Kind kind, Pb__Object **items, size_t n)
{
    int r;

    for (size_t i = 0; i < n; i++) {
        r = check_item(rules_check_object(kind, items[i]), snapshot, items[i]->meta);
        if (r < 0)
            return r;
        s->size += protobuf_c_message_get_packed_size(&items[i]->base);
    }
    r = fill(&s->objects[kind].by_id, (void **) items, n);
    if (r < 0)
        return r;
    return fill(&s->objects[kind].by_name, (void **) items, n);
}

/* The state that snapshot describes, all of it still borrowed. */
static int borrow_state(struct store *s, const Pb__Snapshot *snapshot)
{
    int r;

    if (snapshot->cluster) {
        r = check_item(rules_check_cluster(snapshot->cluster), snapshot, snapshot->cluster->meta);
        if (r < 0)
            return r;
    }
    r = fill_nodes(s, snapshot);
    if (r == 0)
        r = fill_objects(s, snapshot, PB__KIND__SECRET, snapshot->secrets, snapshot->n_secrets);
    if (r == 0)
        r = fill_objects(s, snapshot, PB__KIND__CONFIG, snapshot->configs, snapshot->n_configs);
    if (r == 0)
        r = fill_revocations(s, snapshot);
    s->cluster = snapshot->cluster;
    s->version = snapshot->version;
    return r;
}

static void forget_items(struct store *s)
{
    s->cluster = NULL;
    s->nodes.n = 0;
    s->revocations.n = 0;
    for (unsigned kind = 0; kind < STATE_KINDS; kind++)
        s->objects[kind].by_id.n = s->objects[kind].by_name.n = 0;
}

int store_restore(struct store *s, const void *data, size_t size)
{
    _cleanup_(snapshot_freep) Pb__Snapshot *snapshot = NULL;
    ProtobufCMessage *message;
    struct store new;
    unsigned version;
    int r;

    r = frame_decode(SNAPSHOT_MAGIC, &pb__snapshot__descriptor, data, size, &version, &message);
    if (r < 0)
        return r;
    snapshot = (Pb__Snapshot *) message;
    if (version == 1 && snapshot->n_revocations > 0)
        return -EBADMSG;
    state_init(&new);
    r = borrow_state(&new, snapshot);
    if (r < 0) {
        forget_items(&new);
        state_done(&new);
        return r;
    }
    snapshot->cluster = NULL;
    snapshot->n_nodes = snapshot->n_secrets = snapshot->n_configs = snapshot->n_revocations = 0;
    state_done(s);
    *s = new;
    return 0;
}
