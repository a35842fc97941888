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

int apply_create_object(struct store *s, Pb__CreateObject *create);
int apply_remove_object(struct store *s, const Pb__RemoveObject *remove);
/* Adds STORE_CHANGED_SERVICES when rollouts have begun. */
int apply_update_object(struct store *s, Pb__UpdateObject *update, unsigned *changed);
int apply_prune_object(struct store *s, const Pb__PruneObject *prune);

int apply_put_service(struct store *s, Pb__PutService *put);
int apply_remove_service(struct store *s, const Pb__RemoveService *remove);
int apply_set_rollout(struct store *s, Pb__SetRollout *set);

int apply_put_usage(struct store *s, Pb__PutUsage *put);
void apply_drop_usage(struct store *s, const char *node_id);

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

/* What makes nothing larger always has room. */
static inline bool apply_has_room(const struct store *s, size_t old_size, size_t new_size)
{
    return new_size <= old_size ||
        (new_size - old_size <= STORE_SIZE_MAX && s->size <= STORE_SIZE_MAX - (new_size - old_size));
}

/* Room for one more. */
static inline int apply_reserve_named(struct named *x)
{
    int r = index_reserve(&x->by_id, x->by_id.n + 1);

    return r < 0 ? r : index_reserve(&x->by_name, x->by_name.n + 1);
}
