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
        *ret_changed = STORE_CHANGED_NODES | STORE_CHANGED_REMOVED | (store_usage(s, c->remove_node->id) ? STORE_CHANGED_USAGE : 0);
        return apply_remove_node(s, c->remove_node);
    case PB__COMMAND__WHAT_CREATE_OBJECT:
        *ret_changed = STORE_CHANGED_OBJECTS;
        return apply_create_object(s, c->create_object);
    case PB__COMMAND__WHAT_REMOVE_OBJECT:
        *ret_changed = STORE_CHANGED_OBJECTS;
        return apply_remove_object(s, c->remove_object);
    case PB__COMMAND__WHAT_SET_NODE_STATE:
        *ret_changed = STORE_CHANGED_NODES;
        return apply_set_node_state(s, c->set_node_state);
    case PB__COMMAND__WHAT_REVOKE:
        *ret_changed = STORE_CHANGED_REMOVED;
        return apply_revoke(s, c->revoke);
    case PB__COMMAND__WHAT_UPDATE_OBJECT:
        *ret_changed = STORE_CHANGED_OBJECTS;
        return apply_update_object(s, c->update_object, ret_changed);
    case PB__COMMAND__WHAT_PRUNE_OBJECT:
        *ret_changed = STORE_CHANGED_OBJECTS;
        return apply_prune_object(s, c->prune_object);
    case PB__COMMAND__WHAT_PUT_SERVICE:
        *ret_changed = STORE_CHANGED_SERVICES;
        return apply_put_service(s, c->put_service);
    case PB__COMMAND__WHAT_REMOVE_SERVICE:
        *ret_changed = STORE_CHANGED_SERVICES;
        return apply_remove_service(s, c->remove_service);
    case PB__COMMAND__WHAT_SET_ROLLOUT:
        *ret_changed = STORE_CHANGED_SERVICES;
        return apply_set_rollout(s, c->set_rollout);
    case PB__COMMAND__WHAT_PUT_USAGE:
        *ret_changed = STORE_CHANGED_USAGE;
        return apply_put_usage(s, c->put_usage);
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
