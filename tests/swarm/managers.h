/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "sealing.h"
#include "swarm/swarm.h"
#include "test.h"

/* Several nodes of a swarm in one process, on one loop, over real TLS on 127.0.0.1. */

#define MANAGERS_MAX 5

struct node {
    struct swarm *swarm;
    char state[PATH_MAX], runtime[PATH_MAX], hostname[8], address[32];
    unsigned events[SWARM_EVENT_TROUBLE + 1]; /* since the start */
};

extern uv_loop_t loop;
extern struct node nodes[MANAGERS_MAX];
extern void (*managers_on_served)(void *data); /* of nodes that are started from then on; data is the node. NULL: none */

void managers_begin(void);
void managers_end(void);

/* A start as systemd makes it; returns when the node has looked at its disk. */
void node_start(struct node *n);
void node_stop(struct node *n);

/* The loop turns until cond; the test fails after some seconds. */
#define WAIT(cond)                                                                        \
    do {                                                                                  \
        uint64_t _until = uv_hrtime() + 20 * UINT64_C(1000000000);                        \
        while (!(cond)) {                                                                 \
            if (uv_hrtime() > _until) {                                                   \
                (void) fprintf(stderr, "%s:%d: never: %s\n", __FILE__, __LINE__, #cond);  \
                abort();                                                                  \
            }                                                                             \
            (void) uv_run(&loop, UV_RUN_ONCE);                                            \
        }                                                                                 \
    } while (0)

/* Runs the request to its end; the caller frees it. */
int node_complete(struct node *n, struct swarm_request *r);
int node_simple(struct node *n, enum swarm_verb verb);
int node_init(struct node *n, bool autolock, struct secret *ret_key);
int node_join(struct node *n, const struct node *through, Pb__Role role);
int node_unlock(struct node *n, const struct secret *key);
int node_rotate(struct node *n, struct secret *ret_key); /* and confirm */
int node_rekey(struct node *n, struct secret *ret_key); /* with a rotation that is confirmed, if ret_key is not NULL */
int node_set_role(struct node *n, const struct node *which, Pb__Role role);
int node_remove(struct node *n, const struct node *which, bool force);
int node_leave(struct node *n);

int node_create(struct node *n, const char *name); /* a secret */
bool node_has(const struct node *n, const char *name);
bool node_is_current(struct node *n); /* waits for a fresh read */
const Pb__Node *node_seen_by(const struct node *n, const struct node *which); /* or NULL */
enum swarm_state node_state(const struct node *n);
bool node_file_exists(const struct node *n, const char *name);
