/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/apply.h"

#include <errno.h>
#include <stdlib.h>

#include "basic/cleanup.h"
#include "store/erasing_allocator.h"
#include "store/rules.h"

/* What a node must be like among the others. old: the node that is replaced, or NULL. */
static int check_membership(const struct store *s, const Pb__Node *old, const Pb__Node *new)
{
    if (!old && store_is_removed(s, new->meta->id))
        return -EEXIST;
    if ((!old || old->raft_id != new->raft_id) && store_node_of_raft_id(s, new->raft_id))
        return -EEXIST;
    if (old && old->role == PB__ROLE__MANAGER && new->role != PB__ROLE__MANAGER && store_n_managers(s) == 1)
        return -EBUSY;
    return !old && s->nodes.n >= STORE_NODES_MAX ? -EDQUOT : 0;
}

int apply_put_node(struct store *s, Pb__PutNode *put)
{
    size_t at, old_size, new_size;
    Pb__Node *old;
    int r;

    r = rules_check_node(put->node);
    if (r < 0)
        return r;
    old = index_find(&s->nodes, put->node->meta->id, &at) ? s->nodes.items[at] : NULL;
    r = apply_check_sequence(old ? old->meta : NULL, put->node->meta);
    if (r == 0)
        r = check_membership(s, old, put->node);
    if (r < 0)
        return r;
    apply_set_meta(s, old ? old->meta : NULL, put->node->meta);
    if (old) { /* it may have changed since the version that this was made from */
        put->node->state = old->state;
        put->node->state_since = old->state_since;
    }
    old_size = old ? apply_packed_size(old) : 0;
    new_size = apply_packed_size(put->node);
    if (!old) {
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

/* meta.version stays: what somebody changes about a node is not out of date because the node went down meanwhile. */
int apply_set_node_state(struct store *s, const Pb__SetNodeState *set)
{
    Pb__Node *node;
    int r;

    r = rules_check_id(set->id);
    if (r == 0)
        r = rules_check_node_state(set->state, set->since);
    if (r < 0)
        return r;
    node = index_get(&s->nodes, set->id);
    if (!node)
        return -ENOENT;

    s->size -= apply_packed_size(node);
    node->state = set->state;
    node->state_since = set->since;
    s->size += apply_packed_size(node);
    s->version++;
    return 0;
}

static Pb__Revocation *new_revocation(int64_t until)
{
    Pb__Revocation *revocation = malloc(sizeof(*revocation));

    if (revocation) {
        pb__revocation__init(revocation);
        revocation->until = until;
    }
    return revocation;
}

int apply_remove_node(struct store *s, Pb__RemoveNode *remove)
{
    Pb__Revocation *tombstone = NULL;
    Pb__Node *old;
    int r;

    r = rules_check_remove_node(remove);
    if (r < 0)
        return r;
    old = index_get(&s->nodes, remove->id);
    if (!old)
        return -ENOENT;
    if (old->role == PB__ROLE__MANAGER)
        return -EBUSY;
    if (remove->until > 0 && remove->until >= remove->now) {
        r = revocations_reserve(&s->revocations, s->revocations.n + 1);
        if (r < 0)
            return r;
        tombstone = new_revocation(remove->until);
        if (!tombstone)
            return -ENOMEM;
    }

    apply_drop_usage(s, remove->id);
    s->size -= apply_packed_size(old);
    index_remove(&s->nodes, remove->id);
    erasing_message_free(&old->base);
    revocations_trim(&s->revocations, remove->now, tombstone != NULL);
    if (tombstone) {
        tombstone->id = TAKE_PTR(remove->id);
        revocations_insert(&s->revocations, tombstone);
    }
    s->version++;
    return 0;
}

int apply_revoke(struct store *s, Pb__Revoke *revoke)
{
    const ProtobufCBinaryData *digest = &revoke->certificate_digest;
    Pb__Revocation *revocation = NULL, *old;
    int r;

    r = rules_check_revoke(revoke);
    if (r < 0)
        return r;
    old = revocations_get(&s->revocations, revoke->id, digest->data, digest->len);
    if (!old && revoke->until >= revoke->now) {
        r = revocations_reserve(&s->revocations, s->revocations.n + 1);
        if (r < 0)
            return r;
        revocation = new_revocation(revoke->until);
        if (!revocation)
            return -ENOMEM;
    }

    if (old && old->until < revoke->until)
        old->until = revoke->until;
    revocations_trim(&s->revocations, revoke->now, revocation != NULL);
    if (revocation) {
        revocation->id = TAKE_PTR(revoke->id);
        revocation->certificate_digest = *digest;
        revoke->certificate_digest = (ProtobufCBinaryData) {};
        revocations_insert(&s->revocations, revocation);
    }
    s->version++;
    return 0;
}
