/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm_private.h"

/* How a node gets to be what the swarm says it is: its key, its certificate, and on a manager the keys of a new, empty log. Lifecycle
 * thread. */
struct membership {
    struct secret tls_key;
    struct node_file file;
    char *chain, *roots;
    struct identity *identity;
    struct secret unlock_key; /* as text; empty unless autolock is on */
    uint32_t generation;
    uint32_t rekeyed; /* a manager's: what its new keys count as */
};
#define MEMBERSHIP_NULL ((struct membership) { .tls_key = SECRET_NULL, .unlock_key = SECRET_NULL })

void membership_done(struct membership *m);

/* Makes a key, and a request for a certificate: from malloc. */
int membership_request(struct membership *m, unsigned char **ret_request, size_t *ret_size, struct error *e);

/* Takes in what the leader said; from then on identity is who this node is. pinned: the digest that one of the roots must have, or NULL. */
int membership_accept(struct membership *m, const Peer__Membership *reply, const unsigned char *pinned, struct error *e);

/* A manager's: the unlock key, before anything is written, so that its own keys are never on disk without a lock that the swarm wants. */
int membership_fetch_unlock_key(struct swarm *s, struct membership *m, struct error *e);

/* Writes everything but node.json, ending with the credential; then this process knows the keys. */
int membership_store(struct swarm *s, struct membership *m, struct error *e);
