/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/answer.h"

/* The leader's side of what nodes hear of their services: one pending Watch for each node. Loop's thread. */

struct watchers;

int watchers_new(struct swarm *s, struct watchers **ret);
/* The store has changed; looked at soon, and the less often the longer it takes. */
void watchers_changed(struct watchers *w, unsigned changed);
void watchers_turn(struct watchers *w); /* those that have waited long enough */
/* No leader any more: the nodes ask the next one. */
void watchers_release(struct watchers *w);
/* Frees itself, then cb. */
void watchers_close(struct watchers *w, void (*cb)(void *data), void *data);

void answer_watch(struct swarm *s, const struct net_peer *peer, const Peer__Watch *watch, struct peer_answer *answer);
void answer_fetch_object(struct swarm *s, const struct net_peer *peer, const Peer__FetchObject *fetch, struct peer_answer *answer);
void answer_report_use(struct swarm *s, const struct net_peer *peer, const Peer__ReportUse *report, struct peer_answer *answer);
