/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm_private.h"

/* What this node's units may load: on a manager from its own store, on a worker from what its managers sent. Loop's thread. */

/* The newest that is known, without data; NULL while nothing is. Valid until the next return to the loop. */
const Peer__Manifest *served_manifest(const struct swarm *s);

/* How a rollout went that the manifest asked this node for; reaches the leader with the next report, which goes at once. */
void served_rolled_out(struct swarm *s, const char *service_id, uint64_t number, bool failed, const char *text);

/* A unit has stopped (or was never there): what it had loaded is used no longer. */
void served_unit_stopped(struct swarm *s, const char *unit);

/* A unit that has something loaded, and when it loaded last; NULL when there are no more. Valid until the next return to the loop. */
const char *served_unit(const struct swarm *s, size_t i, int64_t *ret_loaded);

/* What a node reports, on the leader: into the store, and to the rollouts. */
void served_take_report(struct swarm *s, const char *node_id, const Peer__ReportUse *report);
