/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "sealing.h"
#include "swarm/swarm.h"
#include "test.h"

/* A whole manager in one process, with real keyslots and a real log; only systemd is played: a thread seals credentials, and a restart
 * unseals the one that is on disk. */

extern char state[PATH_MAX], credentials[PATH_MAX], helpers[PATH_MAX]; /* folders */

extern struct machine {
    uv_loop_t loop;
    struct swarm *swarm;
    unsigned events[SWARM_EVENT_TROUBLE + 1]; /* since the start */
} m;

void machine_begin(void);
void machine_end(void);

void start(void);
void stop(void);
void unseal(void); /* what LoadCredentialEncrypted= does */

/* Runs the request to its end; the caller frees it. */
int complete(struct swarm_request *r);
/* For requests that are not waited for: sets the bool that data points to. */
void on_done(void *data, struct swarm_request *r);

int simple(enum swarm_verb verb);
int leave(bool force);
int init(bool autolock, struct secret *ret_key, uint32_t *ret_generation);
int new_key(enum swarm_verb verb, struct secret *ret_key, uint32_t *ret_generation);
int confirm(uint32_t generation);
int unlock(const void *key, size_t size);
/* The work after an unlock is a request of its own: one more that comes behind it has seen it end. */
void settle(void);

int create(const char *name); /* a secret */
bool has(const char *name);
bool exists(const char *name); /* a file of the state */
