/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/apply.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/command.h"
#include "store/erasing_allocator.h"
#include "store/rules.h"

static int put_cluster(struct store *s, Pb__PutCluster *put)
{
    const Pb__Meta *old = s->cluster ? s->cluster->meta : NULL;
    int r;

    r = rules_check_cluster(put->cluster);
    if (r < 0)
        return r;
    r = apply_check_sequence(old, put->cluster->meta);
    if (r < 0)
        return r;
    if (old && strcmp(old->id, put->cluster->meta->id) != 0)
        return -EINVAL;

    apply_set_meta(s, old, put->cluster->meta);
    erasing_message_free((ProtobufCMessage *) s->cluster);
    s->cluster = TAKE_PTR(put->cluster);
    s->version++;
    return 0;
}

static int create_object(struct store *s, Pb__CreateObject *create)
{
    Pb__Object *new = create->object;
    struct objects *objects;
    size_t size;
    int r;

    r = rules_check_object(create->kind, new);
    if (r < 0)
        return r;
    objects = &s->objects[create->kind];
    if (index_get(&objects->by_id, new->meta->id) || index_get(&objects->by_name, new->name))
        return -EEXIST;
    apply_set_meta(s, NULL, new->meta);
    size = apply_packed_size(new);
    if (size > STORE_SIZE_MAX || s->size > STORE_SIZE_MAX - size)
        return -EDQUOT;
    r = index_reserve(&objects->by_id, objects->by_id.n + 1);
    if (r < 0)
        return r;
    r = index_reserve(&objects->by_name, objects->by_name.n + 1);
    if (r < 0)
        return r;

    create->object = NULL;
    index_insert(&objects->by_id, new);
    index_insert(&objects->by_name, new);
    s->size += size;
    s->version++;
    return 0;
}

static int remove_object(struct store *s, const Pb__RemoveObject *remove)
{
    struct objects *objects;
    Pb__Object *old;
    int r;

    r = rules_check_kind(remove->kind);
    if (r < 0)
        return r;
    r = rules_check_id(remove->id);
    if (r < 0)
        return r;
    objects = &s->objects[remove->kind];
    old = index_get(&objects->by_id, remove->id);
    if (!old)
        return -ENOENT;

    s->size -= apply_packed_size(old);
    index_remove(&objects->by_name, old->name);
    index_remove(&objects->by_id, remove->id);
    erasing_message_free(&old->base);
    s->version++;
    return 0;
}

static int apply(struct store *s, Pb__Command *c, unsigned *ret_changed)
{
    switch (c->what_case) {
    case PB__COMMAND__WHAT_PUT_CLUSTER:
        *ret_changed = STORE_CHANGED_CLUSTER;
        return put_cluster(s, c->put_cluster);
    case PB__COMMAND__WHAT_PUT_NODE:
        *ret_changed = STORE_CHANGED_NODES;
        return apply_put_node(s, c->put_node);
    case PB__COMMAND__WHAT_REMOVE_NODE:
        *ret_changed = STORE_CHANGED_NODES | STORE_CHANGED_REMOVED;
        return apply_remove_node(s, c->remove_node);
    case PB__COMMAND__WHAT_CREATE_OBJECT:
        *ret_changed = STORE_CHANGED_OBJECTS;
        return create_object(s, c->create_object);
    case PB__COMMAND__WHAT_REMOVE_OBJECT:
        *ret_changed = STORE_CHANGED_OBJECTS;
        return remove_object(s, c->remove_object);
    case PB__COMMAND__WHAT_SET_NODE_STATE:
        *ret_changed = STORE_CHANGED_NODES;
        return apply_set_node_state(s, c->set_node_state);
    case PB__COMMAND__WHAT_REVOKE:
        *ret_changed = STORE_CHANGED_REMOVED;
        return apply_revoke(s, c->revoke);
    default:
        return -EBADMSG;
    }
}

int store_apply(struct store *s, const void *data, size_t size, unsigned *ret_changed)
{
    _cleanup_(command_freep) Pb__Command *command = NULL;
    unsigned changed = 0;
    int r;

    r = command_decode(data, size, &command);
    if (r == 0)
        r = apply(s, command, &changed);
    if (r < 0)
        return r;
    if (ret_changed)
        *ret_changed = changed;
    return 0;
}
