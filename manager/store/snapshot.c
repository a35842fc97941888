/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/erasing_allocator.h"
#include "store/frame.h"
#include "store/rollout.h"
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
    snapshot.services = (Pb__Service **) s->services.by_id.items;
    snapshot.n_services = s->services.by_id.n;
    snapshot.usages = (Pb__Usage **) s->usages.items;
    snapshot.n_usages = s->usages.n;
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

static int check_references(const struct store *s, const Pb__Service *service)
{
    const Pb__Rollout *rollout = service->rollout;

    for (size_t i = 0; i < service->n_grants; i++)
        if (!store_object(s, service->grants[i]->kind, service->grants[i]->object_id))
            return -EBADMSG;
    for (size_t i = 0; rollout && i < rollout->n_held; i++)
        if (!rollout_held_is_sound(s, service, rollout->held[i]))
            return -EBADMSG;
    return rollout && service->on_update == PB__ON_UPDATE__NONE && rollout->state != PB__ROLLOUT_STATE__DONE ? -EBADMSG : 0;
}

static int fill_services(struct store *s, const Pb__Snapshot *snapshot)
{
    int r;

    if (snapshot->n_services > STORE_SERVICES_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < snapshot->n_services; i++) {
        const Pb__Service *service = snapshot->services[i];

        r = check_item(rules_check_service(service), snapshot, service->meta);
        if (r == 0 && service->rollout && (rules_check_rollout(service->rollout) < 0 || service->rollout->number > snapshot->version))
            r = -EBADMSG;
        if (r == 0)
            r = check_references(s, service);
        if (r < 0)
            return r;
        s->size += protobuf_c_message_get_packed_size(&service->base);
    }
    r = fill(&s->services.by_id, (void **) snapshot->services, snapshot->n_services);
    if (r < 0)
        return r;
    return fill(&s->services.by_name, (void **) snapshot->services, snapshot->n_services);
}

static int fill_usages(struct store *s, const Pb__Snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n_usages; i++) {
        const Pb__Usage *usage = snapshot->usages[i];

        if (rules_check_usage(usage) < 0 || usage->n_uses == 0 || !store_node(s, usage->node_id))
            return -EBADMSG;
        s->size += protobuf_c_message_get_packed_size(&usage->base);
    }
    return fill(&s->usages, (void **) snapshot->usages, snapshot->n_usages);
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
    if (r == 0)
        r = fill_services(s, snapshot);
    if (r == 0)
        r = fill_usages(s, snapshot);
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
    s->services.by_id.n = s->services.by_name.n = 0;
    s->usages.n = 0;
}

static bool any_has_revisions(Pb__Object *const objects[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rules_object_has_revisions(objects[i]))
            return true;
    return false;
}

/* The first version whose programs understood it. */
static unsigned first_version(const Pb__Snapshot *snapshot)
{
    if (snapshot->n_services > 0 || snapshot->n_usages > 0 || any_has_revisions(snapshot->secrets, snapshot->n_secrets) ||
        any_has_revisions(snapshot->configs, snapshot->n_configs))
        return 3;
    return snapshot->n_revocations > 0 ? 2 : 1;
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
    if (version < first_version(snapshot))
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
    snapshot->n_services = snapshot->n_usages = 0;
    state_done(s);
    *s = new;
    return 0;
}
