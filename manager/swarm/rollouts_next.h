/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "store/store.h"

/* How a rollout goes on: a function of what is replicated, what nodes have said, and the time. */

#define ROLLOUT_LATE_MS (6 * 60 * 1000U + 30 * 1000U)       /* a node's units have five minutes; the rest is for the way */
#define ROLLOUT_DOWN_USEC (60 * INT64_C(1000000)) /* for a reboot, or a change of leaders */

/* A node that works on a rollout, as this leader knows it. */
struct rollout_watch {
    char service_id[STORE_ID_LEN + 1], node_id[STORE_ID_LEN + 1];
    uint64_t number;
    uint64_t since; /* milliseconds: when this leader saw it first */
    bool kept;
    bool heard, failed;
    char text[STORE_ROLLOUT_TEXT_MAX + 1];
};

struct rollout_view {
    const Pb__Node *const *nodes; /* all of the swarm's */
    size_t n_nodes;
    const struct rollout_watch *watches;
    size_t n_watches;
    uint64_t now_ms;  /* the clock of watch.since */
    int64_t now_usec; /* the clock of node.state_since */
};

struct rollout_next {
    Pb__RolloutState state;
    size_t n;
    Pb__RolloutNode *nodes, **pointers; /* by id; their strings are the service's, the view's, or constant */
    unsigned started, ended, failed;    /* how many nodes, compared with before; failed: in all */
};

#define ROLLOUT_NEXT_NULL ((struct rollout_next) { 0 })

/* 1 when there is something to set, 0 when there is not, -ENOMEM. The service has a rollout that is running. */
int rollout_next(const Pb__Service *service, const struct rollout_view *view, struct rollout_next *ret);

/* Scope exit function. */
void rollout_next_done(struct rollout_next *next);
