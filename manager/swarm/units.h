/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm_private.h"

/* What follows from the manifest for this machine's units, through the helper swarm-units: drop-ins, restarts and reloads of rollouts. Loop's
 * thread; the helper is asked on a thread of its own. */

/* The manifest may have changed, NULL: there is none any more (left, removed, locked). */
void units_follow(struct swarm *s, const Peer__Manifest *manifest);

/* ---- the leader's part */

/* Goes on with the rollouts, one change at a time; true when it has proposed one (as duties.c). */
bool rollouts_turn(struct swarm *s);

/* What a node says of a rollout. */
void rollouts_take_result(struct swarm *s, const char *node_id, const Peer__RolloutResult *result);
