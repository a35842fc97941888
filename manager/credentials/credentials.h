/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "credentials/peer_name.h"
#include "swarm/swarm.h"

/* The socket that units name in LoadCredential=: systemd connects once for each credential, says by its address for which unit, and reads until
 * the end. Loop's thread. */
struct credentials;

#define CREDENTIALS_PEERS_MAX 1024   /* beyond, nobody is let in until one goes: the others wait in the socket's backlog */
#define CREDENTIALS_STRANGERS_MAX 64 /* of them who are no unit, or not the one they say: one more, and the oldest is hung up on */
#define CREDENTIALS_PATIENCE_MS 90000 /* for a peer that does not read */
#define CREDENTIALS_FAREWELL_MS 1000  /* the same when the manager ends */

struct credentials_refusal {
    const char *unit, *credential; /* NULL: the peer is no unit, or not that one */
    pid_t pid;
    const char *why;
};

struct credentials_config {
    uv_loop_t *loop;
    struct swarm *swarm;
    const char *cgroups;   /* where the cgroup tree is mounted */
    unsigned patience_ms, peers_max; /* 0: the defaults */
    /* One that waits is to be kept open should this process end, or need not be any more; it comes back by credentials_adopt(). May be NULL. */
    void (*keep)(void *data, int fd, const char *name, bool keep);
    void (*refused)(void *data, const struct credentials_refusal *refusal); /* not for each, when there are many */
    void *data;
};

/* Takes fd, a listening stream socket that does not block, on success. */
int credentials_new(const struct credentials_config *config, int fd, struct credentials **ret);

#define CREDENTIALS_KEPT_PREFIX "held-" /* of the names that keep() is given */
#define CREDENTIALS_KEPT_MAX 32

/* A connection that an earlier process had kept under that name; takes fd. To be followed by credentials_review(). */
void credentials_adopt(struct credentials *c, int fd, const char *name);

/* What the swarm answers may have changed: for those that wait. */
void credentials_review(struct credentials *c);

/* Nobody is let in any more; those that wait are kept, or else refused. Frees itself on the loop once they have gone, which takes CREDENTIALS_FAREWELL_MS at most. The
 * swarm is not asked any more. */
void credentials_close(struct credentials *c);
