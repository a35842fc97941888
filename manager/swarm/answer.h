/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "peer/server.h"
#include "swarm/swarm_private.h"

/* What this manager answers to other nodes' requests. Loop's thread. */

/* For peer_server_config: what the table of who may ask what has let through. data is the swarm. */
void answer_request(void *data, const struct net_peer *peer, const Peer__Request *request, struct peer_answer *answer);

/* answer_membership.c: only asked of the leader */
void answer_join(struct swarm *s, const struct net_peer *peer, const Peer__Join *join, struct peer_answer *answer);
void answer_renew(struct swarm *s, const struct net_peer *peer, const Peer__Renew *renew, struct peer_answer *answer);
void answer_leave(struct swarm *s, const struct net_peer *peer, struct peer_answer *answer);
void answer_add_member(struct swarm *s, const struct net_peer *peer, const Peer__AddMember *add, struct peer_answer *answer);

/* Puts the addresses of all managers into list (of PEER_MANAGERS_MAX, pointers into the store); how many. */
size_t answer_managers(const struct swarm *s, char **list);
/* Says why in words, for a result of the store. */
void answer_failure(struct peer_answer *answer, int result);
