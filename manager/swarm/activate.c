/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manager with others is active once it has seen all that was committed before it came. Loop's thread. */
#include <errno.h>
#include <string.h>

#include "swarm/swarm_private.h"

#define NO_LEADER "waiting for the swarm's leader: more than half of the managers have to be online and unlocked"

static int run_reconcile(void *data)
{
    return open_catch_up(data);
}

static void reconcile_done(void *data, int result)
{
    struct swarm *s = data;

    s->reconciling = false;
    if (s->reconcile_again || result == -EAGAIN)
        activate_reconcile(s);
}

/* What this manager's disk has to hold may be something else than before. */
void activate_reconcile(struct swarm *s)
{
    s->reconcile_again = s->reconciling;
    if (s->reconciling || s->closing)
        return;
    s->reconciling = lifecycle_submit(s->lifecycle, run_reconcile, reconcile_done, s) == 0;
    s->reconcile_missed = !s->reconciling;
}

static void on_current(void *data, int result)
{
    struct swarm *s = data;

    s->activating = false;
    if (result < 0 || s->state != SWARM_PENDING || !s->store || !store_cluster(s->store) || !store_node(s->store, s->node.node_id))
        return;
    s->awaits_leader = false;
    s->state = SWARM_ACTIVE;
    s->why.text[0] = '\0';
    network_review(s);
    s->config.on_state(s->config.data);
    activate_reconcile(s);
}

void activate_turn(struct swarm *s)
{
    if (s->reconcile_missed)
        activate_reconcile(s);
    if (s->state == SWARM_PENDING && s->awaits_leader && !s->activating)
        s->activating = swarm_barrier(s, on_current, s) == 0;
}

/* Called when the store is open and somebody else has to say what is current. */
void activate_wait(struct swarm *s)
{
    s->awaits_leader = true;
    s->state = SWARM_PENDING;
    (void) error_set(&s->why, 0, NO_LEADER);
    s->config.on_state(s->config.data);
}
