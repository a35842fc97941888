/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The swarm wants new keys on every manager: this one asks its servers and devices first, on the errands' thread, then switches on the
 * lifecycle thread. One that was away does it when it is back. */
#include <errno.h>
#include <string.h>

#include "swarm/rekey.h"
#include "basic/text.h"

#define ASK_SECONDS 60 /* all of them together; one that was asked by then may take its own time */
#define PAUSE_FIRST_MS 2000U
#define PAUSE_MAX_MS 300000U

/* ---- the wish */

int verb_rekey(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    bool later = r->generation > 0;
    int result = step_current(s, &r->error);

    if (result == 0)
        result = step_active_cluster(s, &cluster, &r->error);
    if (result != 0)
        return result;
    if (cluster->rekey >= UINT32_MAX - 1)
        return error_set(&r->error, -EOVERFLOW, "new keys were made as often as can be counted");
    if (later && (cluster->next_unlock_key.len == 0 || r->generation != cluster->next_unlock_generation))
        return error_set(&r->error, -ESTALE, "no unlock key of generation %u waits to be confirmed: see \"swarmctl unlock-key\"", r->generation);
    r->ret_rekey = cluster->rekey + 1;
    if (later)
        cluster->next_rekeys = true;
    else
        cluster->rekey++;
    result = step_put_cluster(s, cluster);
    if (result < 0)
        return swarm_error_change(&r->error, result, "the swarm cannot be told to make new keys");
    if (!later)
        swarm_event(s, SWARM_EVENT_REKEY, r, -1, cluster->unlock_generation, NULL);
    return 0;
}

/* ---- loop's thread */

static bool is_behind(const struct swarm *s)
{
    const Pb__Cluster *cluster = s->store ? store_cluster(s->store) : NULL;
    const Pb__Node *self = cluster ? store_node(s->store, s->node.node_id) : NULL;

    return self && self->role == PB__ROLE__MANAGER && self->rekeyed < cluster->rekey;
}

static void on_followed(void *data, struct swarm_request *r)
{
    struct swarm *s = data;

    s->rekeying = false;
    if (r->result == 0)
        s->rekey_pause = 0;
    else
        s->rekey_pause = s->rekey_pause == 0 ? PAUSE_FIRST_MS : 2 * s->rekey_pause < PAUSE_MAX_MS ? 2 * s->rekey_pause : PAUSE_MAX_MS;
    s->rekey_at = uv_now(s->config.loop) + s->rekey_pause;
    if (r->result < 0 && r->result != -EAGAIN && r->result != -ECANCELED && r->result != -ESHUTDOWN)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, r->error.text);
    swarm_request_free(r);
}

void rekey_turn(struct swarm *s)
{
    struct swarm_request *r;

    if (!is_behind(s)) {
        s->rekey_at = s->rekey_pause = 0;
        return;
    }
    if (s->state != SWARM_ACTIVE || s->rekeying || uv_now(s->config.loop) < s->rekey_at)
        return;
    r = swarm_request_new(SWARM_FOLLOW_REKEY);
    if (!r)
        return;
    (void) strcpy(r->caller.how, "swarm");
    r->done = on_followed;
    r->data = s;
    s->rekeying = swarm_submit(s, r) == 0;
    if (!s->rekeying)
        swarm_request_free(r);
}

/* ---- errands' thread */

static int switch_keys(struct swarm *s, struct swarm_request *r, struct rekey_plan *plan)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_SWITCH_KEYS);

    if (!request)
        return -ENOMEM;
    request->caller = r->caller;
    request->plan = plan;
    return errand_request(s, request, &r->error);
}

static int gather(struct swarm *s, struct swarm_request *r, struct rekey_plan *plan)
{
    const uint64_t deadline = uv_hrtime() + ASK_SECONDS * UINT64_C(1000000000);
    _cleanup_(swarm_request_freep) struct swarm_request *listed = NULL;
    int result = errand_list(s, r, false, &listed);

    if (result == -EOPNOTSUPP) { /* no lock: autolock is off */
        r->error.text[0] = '\0';
        return 0;
    }
    for (unsigned i = 0; result == 0 && i < listed->ret_n_keyslots; i++) {
        const struct keyslot *slot = &listed->ret_keyslots[i];
        struct rekey_slot *planned = &plan->slots[plan->n];

        if (slot->state != KEYSLOT_FOREIGN)
            continue;
        plan->n++;
        *planned = (struct rekey_slot) { .slot = *slot, .method = METHOD_NULL };
        if (uv_hrtime() < deadline)
            rekey_carry(s, r, slot, planned);
        else
            text_copy(planned->why, sizeof(planned->why), "the others took too long to answer");
        if (lifecycle_stopping(s->errands))
            return error_set(&r->error, -ECANCELED, "the manager is stopping");
    }
    return result;
}

int verb_follow_rekey(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(rekey_plan_done) struct rekey_plan plan = { 0 };
    int result = switch_keys(s, r, NULL);

    if (result <= 0)
        return result;
    result = gather(s, r, &plan);
    return result < 0 ? result : switch_keys(s, r, &plan);
}

/* ---- lifecycle thread */

static int check_plan(struct swarm *s, const struct rekey_plan *plan, struct error *e)
{
    struct keyslot slots[KEYSLOTS_MAX];
    int n = s->keys_locked ? keyslots_list(s->files.keyslots, slots, e) : 0;

    if (n < 0)
        return n;
    return rekey_plan_fits(plan, slots, n) ? 0 : error_set(e, -EAGAIN, "the keyslots have changed meanwhile");
}

/* Without a plan: 1 when there has to be one. */
int verb_switch_keys(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int result = step_active_cluster(s, &cluster, &r->error);

    if (result < 0)
        return result;
    if (s->keys_locked != cluster->autolock)
        return error_set(&r->error, -EAGAIN, "autolock is being turned on or off");
    result = lock_settle(s, &r->error);
    if (result < 0)
        return result;
    if (s->bundle->rekeyed < cluster->rekey) {
        if (!r->plan)
            return 1;
        result = check_plan(s, r->plan, &r->error);
        if (result == 0)
            result = lock_rekey(s, cluster, r->plan, &r->error);
        if (result < 0)
            return result;
    }
    result = s->keys_locked ? open_reconcile_keyslots(s, cluster, &r->error) : 0;
    return result < 0 ? result : lock_finish_change(s, &r->error);
}
