/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>

#include "store/state.h"

/* The parts of store_apply. Everything that can fail comes before the first change: so a command is done whole or not at all. What goes
 * into the state is taken out of the decoded command. */

int apply_put_node(struct store *s, Pb__PutNode *put);
int apply_set_node_state(struct store *s, const Pb__SetNodeState *set);
int apply_remove_node(struct store *s, Pb__RemoveNode *remove);
int apply_revoke(struct store *s, Pb__Revoke *revoke);

static inline size_t apply_packed_size(const void *message)
{
    return protobuf_c_message_get_packed_size(message);
}

/* old: the meta of what is there, or NULL. */
static inline int apply_check_sequence(const Pb__Meta *old, const Pb__Meta *new)
{
    if (!old)
        return new->version == 0 ? 0 : -ENOENT;
    if (new->version == 0)
        return -EEXIST;
    return new->version == old->version ? 0 : -ESTALE;
}

static inline void apply_set_meta(const struct store *s, const Pb__Meta *old, Pb__Meta *new)
{
    if (old)
        new->created = old->created;
    new->version = s->version + 1;
}
