/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm_private.h"

/* What follows from the manifest for this machine's units, through the helper swarm-units: drop-ins, restarts and reloads of rollouts. Loop's
 * thread; the helper is asked on a thread of its own. */

struct units;
int units_new(struct swarm *s, struct units **ret);
/* Waits for nothing that runs elsewhere; then cb. */
void units_close(struct units *u, void (*cb)(void *data), void *data);

/* The manifest may have changed. Without one a node that is in no swarm loses the drop-ins; one that is locked, or has not heard its managers
 * yet, keeps them as they are. */
void units_follow(struct swarm *s);

/* ---- the leader's part */

struct rollouts;
void rollouts_free(struct rollouts *r);

/* Goes on with the rollouts, one change at a time; true when it has proposed one (as duties.c). */
bool rollouts_turn(struct swarm *s);

/* What a node says of a rollout. */
void rollouts_take_result(struct swarm *s, const char *node_id, const Peer__RolloutResult *result);
