/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "toy.h"

/* Several replicas in one process and on one loop, each with its own folder and its own keys, over links that can be cut and delayed. All
 * that flows goes through wire_check. */

#define NODES_MAX 8
#define ELECTION_MS 900 /* enough for a machine that does other things as well */

struct cluster;
struct link;

struct node {
    struct cluster *cluster;
    uint64_t id;
    char address[32], base[256], folder[300], highwater[300];
    unsigned char salt;
    struct keyring *keyring;
    struct toy toy;
    struct replica *replica; /* NULL: down */
    struct replica_config config;
    unsigned changes, notices;
    struct error error;
};

struct cluster {
    uv_loop_t loop;
    char base[200];
    size_t n;
    struct node nodes[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX]; /* connections end and are refused */
    bool mute[NODES_MAX][NODES_MAX]; /* connections are there, but nothing comes through from the first to the second */
    unsigned delay_ms;
    struct link *links;
    uint64_t bytes; /* that went over links */
    uv_timer_t pace; /* the loop turns at least once a millisecond */
};

/* n nodes; the first is bootstrapped, the others are created and not opened yet. */
void cluster_init(struct cluster *c, size_t n, unsigned threshold, unsigned election_ms);
void cluster_done(struct cluster *c);

/* Opens node 0 and lets it add the others: all are voters then. */
void cluster_form(struct cluster *c);

int cluster_open(struct cluster *c, size_t i);
/* Cuts the node's links and closes. */
void cluster_close(struct cluster *c, size_t i);
/* As kill -9 would leave it: what comes after this instant does not reach the disk. The node is down then. */
void cluster_kill(struct cluster *c, size_t i);
/* Another member in its place: removes the files of a node that is down, makes empty ones, gives it another id. */
void cluster_wipe(struct cluster *c, size_t i, uint64_t id);

void cluster_cut(struct cluster *c, size_t i, size_t j, bool cut);
void cluster_mute(struct cluster *c, size_t i, size_t j, bool mute);
/* From all others. */
void cluster_isolate(struct cluster *c, size_t i, bool cut);
void cluster_heal(struct cluster *c);

void cluster_turn(struct cluster *c);
void cluster_run(struct cluster *c, unsigned ms);
/* The node that leads and that a majority takes for the leader; waits for it. */
size_t cluster_leader(struct cluster *c);
/* Waits until cond holds; fails the test after some time. */
#define CLUSTER_WAIT(c, cond)                                                                               \
    do {                                                                                                    \
        uint64_t _end = uv_hrtime() + 60000000000;                                                          \
        while (!(cond)) {                                                                                   \
            if (uv_hrtime() > _end) {                                                                       \
                (void) fprintf(stderr, "%s:%d: waited in vain for %s\n", __FILE__, __LINE__, #cond);        \
                cluster_print(c);                                                                           \
                abort();                                                                                    \
            }                                                                                               \
            cluster_turn(c);                                                                                \
        }                                                                                                   \
    } while (0)
void cluster_print(const struct cluster *c);

int cluster_add(struct cluster *c, size_t i, uint64_t number, size_t size);
void cluster_add_many(struct cluster *c, size_t i, uint64_t first, unsigned n, size_t size);
/* The four that change something, and wait for their callback. */
int cluster_join(struct cluster *c, size_t leader, size_t i);
int cluster_remove(struct cluster *c, size_t leader, uint64_t id);
int cluster_transfer(struct cluster *c, size_t leader, uint64_t id);
int cluster_barrier(struct cluster *c, size_t i);

/* Whether node i has the numbers first to first + n - 1, and nothing else; tells what there is if not. */
bool cluster_has(const struct cluster *c, size_t i, uint64_t first, size_t n);

/* Waits until all that are up have applied the same. */
void cluster_settle(struct cluster *c);
