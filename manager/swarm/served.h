/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm_private.h"

/* What this node's units may load: on a manager from its own store, on a worker from what its managers sent. Loop's thread. */

/* The newest that is known, without data; NULL while nothing is. Valid until the next return to the loop. */
const Peer__Manifest *served_manifest(const struct swarm *s);

/* The same, but only when it tells all that the managers say, not what an offline copy remembers. */
const Peer__Manifest *served_whole_manifest(const struct swarm *s);

/* How a rollout went that the manifest asked this node for; reaches the leader with the next report, which goes at once. */
void served_rolled_out(struct swarm *s, const char *service_id, uint64_t number, bool failed, const char *text);

/* A unit has stopped (or was never there): what it had loaded is used no longer. */
void served_unit_stopped(struct swarm *s, const char *unit);

/* A unit that has something loaded, and when it loaded last; NULL when there are no more. Valid until the next return to the loop. */
const char *served_unit(const struct swarm *s, size_t i, int64_t *ret_loaded);

/* What a node reports, on the leader: into the store, and to the rollouts. answer may be NULL. */
void served_take_report(struct swarm *s, const char *node_id, const Peer__ReportUse *report, struct peer_answer *answer);

/* ---- for the rest of the swarm */
int served_open(struct swarm *s);
void served_use_load(struct swarm *s); /* what units of this node had loaded before this start */
void served_free(struct served *served);
void served_store_changed(struct swarm *s, unsigned changed);
void served_turn(struct swarm *s);
void served_contact(struct swarm *s); /* a manager has answered */
void served_forget(struct swarm *s);  /* what is in memory: the node stops being what it was */
void served_offline_load(struct swarm *s); /* lifecycle thread: a worker's copies on disk, until it hears more */
void served_left(struct swarm *s);    /* the swarm: what its units had loaded is of no interest to anybody */
