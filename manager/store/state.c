/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/erasing_allocator.h"
#include "store/service.h"

static const char *node_id(const void *item)
{
    const Pb__Node *node = item;

    return node->meta->id;
}

static const char *object_id(const void *item)
{
    const Pb__Object *object = item;

    return object->meta->id;
}

static const char *object_name(const void *item)
{
    const Pb__Object *object = item;

    return object->name;
}

static const char *service_id(const void *item)
{
    const Pb__Service *service = item;

    return service->meta->id;
}

static const char *service_name(const void *item)
{
    const Pb__Service *service = item;

    return service->name;
}

static const char *usage_node_id(const void *item)
{
    const Pb__Usage *usage = item;

    return usage->node_id;
}

void state_init(struct store *s)
{
    *s = (struct store) {};
    index_init(&s->nodes, node_id);
    for (unsigned kind = 0; kind < STATE_KINDS; kind++) {
        index_init(&s->objects[kind].by_id, object_id);
        index_init(&s->objects[kind].by_name, object_name);
    }
    index_init(&s->services.by_id, service_id);
    index_init(&s->services.by_name, service_name);
    index_init(&s->usages, usage_node_id);
}

static void free_items(struct index *x)
{
    for (size_t i = 0; i < x->n; i++)
        erasing_message_free(x->items[i]);
}

static void named_done(struct named *x)
{
    free_items(&x->by_id);
    index_done(&x->by_id);
    index_done(&x->by_name);
}

void state_done(struct store *s)
{
    erasing_message_free((ProtobufCMessage *) s->cluster);
    free_items(&s->nodes);
    index_done(&s->nodes);
    revocations_done(&s->revocations);
    for (unsigned kind = 0; kind < STATE_KINDS; kind++)
        named_done(&s->objects[kind]);
    named_done(&s->services);
    free_items(&s->usages);
    index_done(&s->usages);
}

struct store *store_new(void)
{
    struct store *s = malloc(sizeof(*s));

    if (s)
        state_init(s);
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    state_done(s);
    free(s);
}

const Pb__Cluster *store_cluster(const struct store *s)
{
    return s->cluster;
}

const Pb__Node *store_node(const struct store *s, const char *id)
{
    return index_get(&s->nodes, id);
}

size_t store_n_nodes(const struct store *s)
{
    return s->nodes.n;
}

const Pb__Node *store_node_at(const struct store *s, size_t i)
{
    return i < s->nodes.n ? s->nodes.items[i] : NULL;
}

const Pb__Node *store_node_of_raft_id(const struct store *s, uint64_t raft_id)
{
    for (size_t i = 0; raft_id != 0 && i < s->nodes.n; i++) {
        const Pb__Node *node = s->nodes.items[i];

        if (node->raft_id == raft_id)
            return node;
    }
    return NULL;
}

size_t store_n_managers(const struct store *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->nodes.n; i++) {
        const Pb__Node *node = s->nodes.items[i];

        n += node->role == PB__ROLE__MANAGER;
    }
    return n;
}

bool store_is_removed(const struct store *s, const char *id)
{
    return revocations_get(&s->revocations, id, NULL, 0) != NULL;
}

bool store_is_revoked(const struct store *s, const unsigned char digest[static STORE_DIGEST_SIZE])
{
    return revocations_have_digest(&s->revocations, digest, STORE_DIGEST_SIZE);
}

static int find_named(const struct named *x, const char *id_or_name, void **ret)
{
    void *found;
    size_t at, n = strlen(id_or_name);

    if (n == 0)
        return -ENOENT;
    found = index_get(&x->by_id, id_or_name);
    if (!found)
        found = index_get(&x->by_name, id_or_name);
    if (!found) {
        /* the ids with this prefix stand together, from where it would be itself */
        (void) index_find(&x->by_id, id_or_name, &at);
        if (at == x->by_id.n || strncmp(x->by_id.key(x->by_id.items[at]), id_or_name, n) != 0)
            return -ENOENT;
        if (at + 1 < x->by_id.n && strncmp(x->by_id.key(x->by_id.items[at + 1]), id_or_name, n) == 0)
            return -ENOTUNIQ;
        found = x->by_id.items[at];
    }
    *ret = found;
    return 0;
}

int store_find_object(const struct store *s, Pb__Kind kind, const char *id_or_name, const Pb__Object **ret)
{
    void *found;
    int r;

    if ((unsigned) kind >= STATE_KINDS)
        return -ENOENT;
    r = find_named(&s->objects[kind], id_or_name, &found);
    if (r == 0)
        *ret = found;
    return r;
}

size_t store_n_objects(const struct store *s, Pb__Kind kind)
{
    return (unsigned) kind < STATE_KINDS ? s->objects[kind].by_name.n : 0;
}

const Pb__Object *store_object_at(const struct store *s, Pb__Kind kind, size_t i)
{
    return i < store_n_objects(s, kind) ? s->objects[kind].by_name.items[i] : NULL;
}

const Pb__Object *store_object(const struct store *s, Pb__Kind kind, const char *id)
{
    return (unsigned) kind < STATE_KINDS ? index_get(&s->objects[kind].by_id, id) : NULL;
}

const ProtobufCBinaryData *store_object_data(const Pb__Object *object, uint64_t revision)
{
    if (revision == object->revision)
        return &object->data;
    for (size_t i = 0; i < object->n_former; i++)
        if (object->former[i]->number == revision)
            return &object->former[i]->data;
    return NULL;
}

int store_find_service(const struct store *s, const char *id_or_name, const Pb__Service **ret)
{
    void *found;
    int r;

    r = find_named(&s->services, id_or_name, &found);
    if (r == 0)
        *ret = found;
    return r;
}

size_t store_n_services(const struct store *s)
{
    return s->services.by_id.n;
}

const Pb__Service *store_service_at(const struct store *s, size_t i)
{
    return i < s->services.by_id.n ? s->services.by_id.items[i] : NULL;
}

const Pb__Service *store_service_granting(const struct store *s, Pb__Kind kind, const char *object_id)
{
    for (size_t i = 0; i < s->services.by_id.n; i++)
        if (service_grants(s->services.by_id.items[i], kind, object_id))
            return s->services.by_id.items[i];
    return NULL;
}

const Pb__Usage *store_usage(const struct store *s, const char *node_id)
{
    return index_get(&s->usages, node_id);
}
