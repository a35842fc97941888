/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* init --force-new-cluster: more than half of the managers are lost, this one goes on alone with what its log holds. */
#include <errno.h>
#include <string.h>

#include "swarm/swarm_private.h"

static int unlock_first(struct swarm *s, struct swarm_request *r)
{
    if (step_get_state(s) != SWARM_LOCKED)
        return 0;
    if (r->key.size == 0)
        return swarm_error_locked(&r->error);
    return unlock_keys(s, r);
}

static bool is_other_manager(const Pb__Node *node, const char *own)
{
    return node->role == PB__ROLE__MANAGER && strcmp(node->meta->id, own) != 0;
}

struct other_step {
    struct swarm *swarm;
    char id[STORE_ID_LEN + 1];
};

static void find_other(void *data, struct completion *c)
{
    struct other_step *step = data;
    const struct store *store = step->swarm->store;

    for (size_t i = 0; store && i < store_n_nodes(store); i++)
        if (is_other_manager(store_node_at(store, i), step->swarm->node.node_id)) {
            (void) strcpy(step->id, store_node_at(store, i)->meta->id);
            completion_done(c, 0);
            return;
        }
    completion_done(c, -ENOENT);
}

/* They are managers no more: those that come back become workers, as when they are demoted. */
static int demote_others(struct swarm *s)
{
    struct other_step step = { .swarm = s };
    int r = 0;

    while (r == 0 && lifecycle_on_loop(s->lifecycle, find_other, &step) == 0) {
        _cleanup_(node_freep) Pb__Node *node = NULL;

        r = step_node(s, step.id, &node);
        if (r < 0)
            return r;
        node->role = PB__ROLE__WORKER;
        node->state = PB__NODE_STATE__DOWN;
        node->key_generation = node->rekeyed = 0;
        r = string_replace(&node->rekey_lost, "");
        if (r == 0)
            r = step_put_node(s, node);
    }
    return r;
}

static int reopen(struct swarm *s, struct error *e)
{
    int r;

    step_network_close(s);
    step_replica_close(s);
    r = step_keyring(s, s->bundle, s->bundle->active_dek);
    if (r == 0)
        r = step_replica_recover(s, e);
    if (r == 0)
        r = open_store(s, e);
    return r > 0 ? error_set(e, -EIO, "the log still has other members") : r;
}

int verb_recover(struct swarm *s, struct swarm_request *r)
{
    struct error e = { "" };
    int result = step_get_state(s) == SWARM_INACTIVE ? swarm_error_not_manager(&r->error) : unlock_first(s, r);

    if (result < 0)
        return result;
    if (!s->bundle || s->file.role != PB__ROLE__MANAGER)
        return swarm_error_not_manager(&r->error);
    step_set_state(s, SWARM_PENDING, "making a new cluster of this manager alone");
    result = reopen(s, &r->error);
    if (result == 0)
        result = demote_others(s);
    if (result < 0) {
        if (r->error.text[0] == '\0')
            (void) error_set(&r->error, result, "the cluster cannot be made anew: %s", strerror(-result));
        step_set_state(s, SWARM_ERROR, r->error.text);
        return result;
    }
    (void) strcpy(r->ret_id, s->file.node_id);
    swarm_event(s, SWARM_EVENT_RECOVERED, r, -1, 0, "as a new cluster of one manager");
    step_set_state(s, SWARM_ACTIVE, NULL);
    result = open_reconcile(s, &e);
    if (result < 0)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e.text);
    return 0;
}
