/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/command.h"
#include "store/erasing_allocator.h"
#include "store/rules.h"
#include "store/state.h"

/* Everything that can fail comes before the first change: so a command is done whole or not at all. What goes into the state is taken out
 * of the decoded command. */

static size_t packed_size(const void *message)
{
    return protobuf_c_message_get_packed_size(message);
}

/* old: the meta of what is there, or NULL. */
static int check_sequence(const Pb__Meta *old, const Pb__Meta *new)
{
    if (!old)
        return new->version == 0 ? 0 : -ENOENT;
    if (new->version == 0)
        return -EEXIST;
    return new->version == old->version ? 0 : -ESTALE;
}

static void set_meta(const struct store *s, const Pb__Meta *old, Pb__Meta *new)
{
    if (old)
        new->created = old->created;
    new->version = s->version + 1;
}

static int put_cluster(struct store *s, Pb__PutCluster *put)
{
    const Pb__Meta *old = s->cluster ? s->cluster->meta : NULL;
    int r;

    r = rules_check_cluster(put->cluster);
    if (r < 0)
        return r;
    r = check_sequence(old, put->cluster->meta);
    if (r < 0)
        return r;
    if (old && strcmp(old->id, put->cluster->meta->id) != 0)
        return -EINVAL;

    set_meta(s, old, put->cluster->meta);
    erasing_message_free((ProtobufCMessage *) s->cluster);
    s->cluster = TAKE_PTR(put->cluster);
    s->version++;
    return 0;
}

static int put_node(struct store *s, Pb__PutNode *put)
{
    size_t at, old_size, new_size;
    Pb__Node *old;
    int r;

    r = rules_check_node(put->node);
    if (r < 0)
        return r;
    old = index_find(&s->nodes, put->node->meta->id, &at) ? s->nodes.items[at] : NULL;
    r = check_sequence(old ? old->meta : NULL, put->node->meta);
    if (r < 0)
        return r;
    set_meta(s, old ? old->meta : NULL, put->node->meta);
    old_size = old ? packed_size(old) : 0;
    new_size = packed_size(put->node);
    if (!old) {
        if (s->nodes.n >= STORE_NODES_MAX)
            return -EDQUOT;
        r = index_reserve(&s->nodes, s->nodes.n + 1);
        if (r < 0)
            return r;
        index_insert(&s->nodes, TAKE_PTR(put->node));
    } else {
        s->nodes.items[at] = TAKE_PTR(put->node);
        erasing_message_free(&old->base);
    }
    s->size += new_size - old_size;
    s->version++;
    return 0;
}

static int remove_node(struct store *s, const Pb__RemoveNode *remove)
{
    Pb__Node *old;
    int r;

    r = rules_check_id(remove->id);
    if (r < 0)
        return r;
    old = index_get(&s->nodes, remove->id);
    if (!old)
        return -ENOENT;

    s->size -= packed_size(old);
    index_remove(&s->nodes, remove->id);
    erasing_message_free(&old->base);
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
    set_meta(s, NULL, new->meta);
    size = packed_size(new);
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

    s->size -= packed_size(old);
    index_remove(&objects->by_name, old->name);
    index_remove(&objects->by_id, remove->id);
    erasing_message_free(&old->base);
    s->version++;
    return 0;
}

int store_apply(struct store *s, const void *data, size_t size)
{
    _cleanup_(command_freep) Pb__Command *command = NULL;
    int r;

    r = command_decode(data, size, &command);
    if (r < 0)
        return r;
    switch (command->what_case) {
    case PB__COMMAND__WHAT_PUT_CLUSTER:
        return put_cluster(s, command->put_cluster);
    case PB__COMMAND__WHAT_PUT_NODE:
        return put_node(s, command->put_node);
    case PB__COMMAND__WHAT_REMOVE_NODE:
        return remove_node(s, command->remove_node);
    case PB__COMMAND__WHAT_CREATE_OBJECT:
        return create_object(s, command->create_object);
    case PB__COMMAND__WHAT_REMOVE_OBJECT:
        return remove_object(s, command->remove_object);
    default:
        return -EBADMSG;
    }
}
