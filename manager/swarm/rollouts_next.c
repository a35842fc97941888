/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/rollouts_next.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/service.h"

void rollout_next_done(struct rollout_next *next)
{
    free(next->nodes);
    free(next->pointers);
    *next = ROLLOUT_NEXT_NULL;
}

static const Pb__Node *find_node(const struct rollout_view *view, const char *id)
{
    for (size_t i = 0; i < view->n_nodes; i++)
        if (strcmp(view->nodes[i]->meta->id, id) == 0)
            return view->nodes[i];
    return NULL;
}

static const struct rollout_watch *find_watch(const struct rollout_view *view, const Pb__Service *service, const char *node_id)
{
    for (size_t i = 0; i < view->n_watches; i++) {
        const struct rollout_watch *w = &view->watches[i];

        if (w->number == service->rollout->number && strcmp(w->service_id, service->meta->id) == 0 && strcmp(w->node_id, node_id) == 0)
            return w;
    }
    return NULL;
}

/* Why nothing more is to be expected of a node that works; NULL: it goes on. */
static const char *lost(const Pb__Service *service, const struct rollout_view *view, const Pb__Node *node, const struct rollout_watch *watch)
{
    if (!node)
        return "the node was removed from the swarm meanwhile";
    if (!service_is_on(service, node))
        return "the service is no longer on the node";
    if (node->state == PB__NODE_STATE__DOWN && view->now_usec - node->state_since >= ROLLOUT_DOWN_USEC)
        return "the node went down meanwhile";
    if (watch && view->now_ms - watch->since >= ROLLOUT_LATE_MS)
        return "the node did not say in time how it went";
    return NULL;
}

static void end(struct rollout_next *next, Pb__RolloutNode *node, bool failed, const char *text)
{
    node->state = failed ? PB__ROLLOUT_NODE_STATE__FAILED : PB__ROLLOUT_NODE_STATE__SUCCEEDED;
    if (failed)
        node->text = (char *) text;
    next->ended++;
}

static void go_on(const Pb__Service *service, const struct rollout_view *view, struct rollout_next *next, Pb__RolloutNode *node)
{
    const struct rollout_watch *watch = find_watch(view, service, node->id);
    const char *why = lost(service, view, find_node(view, node->id), watch);

    if (watch && watch->heard)
        end(next, node, watch->failed, watch->text);
    else if (why)
        end(next, node, true, why);
}

static bool is_reached(const Pb__Rollout *rollout, const char *id)
{
    for (size_t i = 0; i < rollout->n_nodes; i++)
        if (strcmp(rollout->nodes[i]->id, id) == 0)
            return true;
    return false;
}

/* A node that is down is passed over: its units load the newest when they start again. If it comes back before the end, it is reached then. */
static bool is_next(const Pb__Service *service, const Pb__Node *node)
{
    return node->state != PB__NODE_STATE__DOWN && service_is_on(service, node) && !is_reached(service->rollout, node->meta->id);
}

static void start(const Pb__Service *service, const struct rollout_view *view, struct rollout_next *next, unsigned room)
{
    for (size_t i = 0; i < view->n_nodes && room > 0; i++) {
        Pb__RolloutNode *node = &next->nodes[next->n];

        if (!is_next(service, view->nodes[i]))
            continue;
        pb__rollout_node__init(node);
        node->id = view->nodes[i]->meta->id;
        node->state = PB__ROLLOUT_NODE_STATE__WORKING;
        next->n++;
        next->started++;
        room--;
    }
}

static unsigned count(const struct rollout_next *next, Pb__RolloutNodeState state)
{
    unsigned n = 0;

    for (size_t i = 0; i < next->n; i++)
        n += next->nodes[i].state == state;
    return n;
}

static int reserve(const Pb__Service *service, const struct rollout_view *view, struct rollout_next *next)
{
    size_t most = service->rollout->n_nodes + view->n_nodes + 1;

    next->nodes = calloc(most, sizeof(*next->nodes));
    next->pointers = calloc(most, sizeof(*next->pointers));
    return next->nodes && next->pointers ? 0 : -ENOMEM;
}

int rollout_next(const Pb__Service *service, const struct rollout_view *view, struct rollout_next *ret)
{
    _cleanup_(rollout_next_done) struct rollout_next next = ROLLOUT_NEXT_NULL;
    const Pb__Rollout *rollout = service->rollout;
    unsigned working, parallelism = service->parallelism > 0 ? service->parallelism : 1;

    if (reserve(service, view, &next) < 0)
        return -ENOMEM;
    for (; next.n < rollout->n_nodes; next.n++) {
        next.nodes[next.n] = *rollout->nodes[next.n];
        if (next.nodes[next.n].state == PB__ROLLOUT_NODE_STATE__WORKING)
            go_on(service, view, &next, &next.nodes[next.n]);
    }
    working = count(&next, PB__ROLLOUT_NODE_STATE__WORKING);
    next.failed = count(&next, PB__ROLLOUT_NODE_STATE__FAILED);
    if (next.failed == 0 && working < parallelism)
        start(service, view, &next, parallelism - working);
    /* those that work when another one fails are waited for: they have the new data, and what becomes of them is part of the outcome */
    next.state = working + next.started > 0 ? PB__ROLLOUT_STATE__RUNNING
                 : next.failed > 0          ? PB__ROLLOUT_STATE__STOPPED
                                            : PB__ROLLOUT_STATE__DONE;
    if (next.started == 0 && next.ended == 0 && next.state == PB__ROLLOUT_STATE__RUNNING)
        return 0;
    for (size_t i = 0; i < next.n; i++)
        next.pointers[i] = &next.nodes[i];
    *ret = next;
    next = ROLLOUT_NEXT_NULL;
    return 1;
}
