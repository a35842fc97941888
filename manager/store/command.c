/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/command.h"

#include <errno.h>
#include <stdbool.h>

#include "store/erasing_allocator.h"
#include "store/frame.h"
#include "store/rules.h"

#define COMMAND_MAGIC "swc"

int command_encode(const Pb__Command *command, void **ret, size_t *ret_size)
{
    return frame_encode(COMMAND_MAGIC, &command->base, COMMAND_MAX, ret, ret_size);
}

/* Whether what is to be done is known, and nothing was added to it that this version would leave undone. */
static bool is_understood(const Pb__Command *c)
{
    switch (c->what_case) {
    case PB__COMMAND__WHAT_PUT_CLUSTER:
        return c->put_cluster->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_PUT_NODE:
        return c->put_node->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_REMOVE_NODE:
        return c->remove_node->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_CREATE_OBJECT:
        return c->create_object->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_REMOVE_OBJECT:
        return c->remove_object->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_SET_NODE_STATE:
        return c->set_node_state->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_REVOKE:
        return c->revoke->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_UPDATE_OBJECT:
        return c->update_object->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_PRUNE_OBJECT:
        return c->prune_object->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_PUT_SERVICE:
        return c->put_service->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_REMOVE_SERVICE:
        return c->remove_service->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_SET_ROLLOUT:
        return c->set_rollout->base.n_unknown_fields == 0;
    case PB__COMMAND__WHAT_PUT_USAGE:
        return c->put_usage->base.n_unknown_fields == 0;
    default:
        return false;
    }
}

/* The first version whose programs understood it: an older frame with it is none that anybody made. */
static unsigned first_version(const Pb__Command *c)
{
    switch (c->what_case) {
    case PB__COMMAND__WHAT_PUT_CLUSTER:
    case PB__COMMAND__WHAT_PUT_NODE:
    case PB__COMMAND__WHAT_REMOVE_OBJECT:
        return 1;
    case PB__COMMAND__WHAT_REMOVE_NODE:
        return c->remove_node->until == 0 && c->remove_node->now == 0 ? 1 : 2;
    case PB__COMMAND__WHAT_CREATE_OBJECT:
        return c->create_object->object && rules_object_has_revisions(c->create_object->object) ? 3 : 1;
    case PB__COMMAND__WHAT_SET_NODE_STATE:
    case PB__COMMAND__WHAT_REVOKE:
        return 2;
    default:
        return 3;
    }
}

int command_decode(const void *data, size_t size, Pb__Command **ret)
{
    ProtobufCMessage *message;
    Pb__Command *command;
    unsigned version;
    int r;

    /* no proposer can have made it */
    if (size > COMMAND_MAX)
        return -EBADMSG;
    r = frame_decode(COMMAND_MAGIC, &pb__command__descriptor, data, size, &version, &message);
    if (r < 0)
        return r;
    command = (Pb__Command *) message;
    if (!is_understood(command) || version < first_version(command)) {
        command_free(command);
        return -EBADMSG;
    }
    *ret = command;
    return 0;
}

void command_free(Pb__Command *command)
{
    erasing_message_free((ProtobufCMessage *) command);
}
