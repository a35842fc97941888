/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/apply.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/erasing_allocator.h"
#include "store/rollout.h"
#include "store/rules.h"

/* What a service must be like among the others. old: the one that is replaced, or NULL. */
static int check_place(const struct store *s, const Pb__Service *old, const Pb__Service *new)
{
    const Pb__Service *namesake = index_get(&s->services.by_name, new->name);

    if (namesake && namesake != old)
        return -EEXIST;
    for (size_t i = 0; i < new->n_grants; i++)
        if (!store_object(s, new->grants[i]->kind, new->grants[i]->object_id))
            return -ENOENT;
    return !old && s->services.by_id.n >= STORE_SERVICES_MAX ? -EDQUOT : 0;
}

/* The rollout of the one that is replaced counts whole: what is held no longer makes it smaller only. */
static int check_room(const struct store *s, const Pb__Service *old, const Pb__Service *new)
{
    Pb__Service after = *new;

    after.rollout = old ? old->rollout : NULL;
    return apply_has_room(s, old ? apply_packed_size(old) : 0, apply_packed_size(&after)) ? 0 : -EDQUOT;
}

static void replace(struct store *s, Pb__Service *old, Pb__Service *new)
{
    size_t at;

    s->size -= apply_packed_size(old);
    index_remove(&s->services.by_name, old->name);
    if (index_find(&s->services.by_id, old->meta->id, &at))
        s->services.by_id.items[at] = new;
    index_insert(&s->services.by_name, new);
    new->rollout = TAKE_PTR(old->rollout);
    rollout_follow_service(new, new->meta->updated);
    erasing_message_free(&old->base);
}

int apply_put_service(struct store *s, Pb__PutService *put)
{
    Pb__Service *old, *new = put->service;
    int r;

    r = rules_check_service(new);
    if (r < 0)
        return r;
    if (new->rollout)
        return -EINVAL;
    old = index_get(&s->services.by_id, new->meta->id);
    r = apply_check_sequence(old ? old->meta : NULL, new->meta);
    if (r == 0)
        r = check_place(s, old, new);
    if (r < 0)
        return r;
    apply_set_meta(s, old ? old->meta : NULL, new->meta);
    r = check_room(s, old, new);
    if (r == 0 && !old)
        r = apply_reserve_named(&s->services);
    if (r < 0)
        return r;

    put->service = NULL;
    if (old)
        replace(s, old, new);
    else {
        index_insert(&s->services.by_id, new);
        index_insert(&s->services.by_name, new);
    }
    s->size += apply_packed_size(new);
    s->version++;
    return 0;
}

/* What its units have loaded stays said until their node says something else: they still run with it. */
int apply_remove_service(struct store *s, const Pb__RemoveService *remove)
{
    Pb__Service *old;
    int r;

    r = rules_check_id(remove->id);
    if (r < 0)
        return r;
    old = index_get(&s->services.by_id, remove->id);
    if (!old)
        return -ENOENT;

    s->size -= apply_packed_size(old);
    index_remove(&s->services.by_name, old->name);
    index_remove(&s->services.by_id, remove->id);
    erasing_message_free(&old->base);
    s->version++;
    return 0;
}

static bool has_node_twice(Pb__RolloutNode *const *nodes, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (strcmp(nodes[i - 1]->id, nodes[i]->id) == 0)
            return true;
    return false;
}

/* meta.version stays, as with a node's state. What a rollout that is done held is gone, so it cannot go on. There is always room for it: or a
 * full store would stop rollouts half way. */
int apply_set_rollout(struct store *s, Pb__SetRollout *set)
{
    Pb__Service *service;
    Pb__Rollout *rollout;
    Pb__RolloutNode **nodes;
    size_t n_nodes;
    int r;

    r = rules_check_set_rollout(set);
    if (r < 0)
        return r;
    rollout_sort_nodes(set->nodes, set->n_nodes);
    if (has_node_twice(set->nodes, set->n_nodes))
        return -EINVAL;
    service = index_get(&s->services.by_id, set->service_id);
    if (!service)
        return -ENOENT;
    rollout = service->rollout;
    if (!rollout || rollout->number != set->number ||
        (rollout->state == PB__ROLLOUT_STATE__DONE && set->state != PB__ROLLOUT_STATE__DONE))
        return -ESTALE;

    s->size -= apply_packed_size(service);
    if (rollout->state != set->state)
        rollout->since = set->now;
    rollout->state = set->state;
    nodes = rollout->nodes; /* the command frees the old ones */
    n_nodes = rollout->n_nodes;
    rollout->nodes = set->nodes;
    rollout->n_nodes = set->n_nodes;
    set->nodes = nodes;
    set->n_nodes = n_nodes;
    if (rollout->state == PB__ROLLOUT_STATE__DONE)
        rollout_drop_held(rollout);
    s->size += apply_packed_size(service);
    s->version++;
    return 0;
}

int apply_put_usage(struct store *s, Pb__PutUsage *put)
{
    Pb__Usage *old, *new = put->usage;
    size_t old_size, new_size;
    int r;

    r = rules_check_usage(new);
    if (r < 0)
        return r;
    if (!store_node(s, new->node_id))
        return -ENOENT;
    old = index_get(&s->usages, new->node_id);
    old_size = old ? apply_packed_size(old) : 0;
    new_size = new->n_uses > 0 ? apply_packed_size(new) : 0;
    if (!apply_has_room(s, old_size, new_size))
        return -EDQUOT;
    r = index_reserve(&s->usages, s->usages.n + 1);
    if (r < 0)
        return r;

    apply_drop_usage(s, new->node_id);
    if (new->n_uses > 0) {
        index_insert(&s->usages, TAKE_PTR(put->usage));
        s->size += new_size;
    }
    s->version++;
    return 0;
}

void apply_drop_usage(struct store *s, const char *node_id)
{
    Pb__Usage *old = index_get(&s->usages, node_id);

    if (!old)
        return;
    s->size -= apply_packed_size(old);
    index_remove(&s->usages, node_id);
    erasing_message_free(&old->base);
}
