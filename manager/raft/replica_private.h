/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <raft.h>
#include <raft/uv.h>

#include "raft/highwater.h"
#include "raft/replica.h"
#include "raft/sealed_io.h"
#include "raft/transport_links.h"

#define SNAPSHOT_THRESHOLD 8192
#define SEGMENT_SIZE (4UL * 1024 * 1024)
#define CAPACITY_THRESHOLD 2048 /* KiB that raft_uv must have prepared: more than the largest command; half a segment if that is less */

/* A proposal, a barrier, or a wait for an entry. */
struct request {
    struct replica *replica;
    struct request *next, **link;
    replica_cb cb; /* NULL: answered already */
    void *data;
    bool counted; /* among those in flight */
    struct raft_buffer command; /* while it waits for room */
    uint64_t deadline;          /* of the wait, on the loop's clock */
    raft_index target;          /* of a wait, and of a barrier of a member that is alone */
    union {
        struct raft_apply apply;
        struct raft_barrier barrier;
    };
};

struct request_list {
    struct request *first, **last;
};

struct rewrite;
struct change;
struct transfer;

struct replica {
    struct replica_config config;
    char *folder;
    struct raft raft;
    struct raft_fsm fsm;
    struct transport_links links;
    struct sealed_io *io;
    struct highwater *highwater;
    void (*on_change)(void *data);
    void *data;

    struct request_list submitted, waiting, barriers; /* barriers: by their target */
    unsigned in_flight, n_barriers;
    struct rewrite *rewrite;
    struct change *change;
    struct transfer *transfer;
    raft_id known_leader; /* that on_change was called for */
    unsigned full_ticks;  /* for which this leader's disk has been full */
    uv_timer_t wake; /* what must not be done from within raft */
    void (*close_cb)(void *data);
    void *close_data;
    int machine_error;
    unsigned ticks;
    bool led, failed, failure_told, closing, closing_raft, abandoned, starting, priming, ballast;
    struct error failure, notice;
};

void replica_fail(struct replica *r, const char *format, ...) _printf_(2, 3);
/* Whether the file system has room for another segment. */
bool replica_has_room(const struct replica *r);
void replica_limit_capacity(struct replica *r);
void replica_set_snapshots(struct replica *r, unsigned threshold);
/* Runs on_wake in the next turn of the loop. */
void replica_wake(struct replica *r);
void replica_free(struct replica *r);
/* After a start that failed: the memory is given back by the loop. */
void replica_abandon(struct replica *r);

/* What the sealed I/O tells (sealed_io.h), and asks. */
void replica_turned(void *data);
void replica_checked(void *data);
void replica_io_failed(void *data, const char *why);
void replica_snapshot_taken(void *data, uint32_t key_id, int status);
/* Whom raft has to talk to: also a leader that a member which is still catching up does not know from its log. */
bool replica_wants_link(void *data, uint64_t id);

/* replica_machine.c */
void replica_machine_init(struct replica *r);

/* replica_request.c */
void requests_init(struct replica *r);
/* Hands on what waits for room, answers barriers. */
void requests_serve(struct replica *r);
/* Answers everything with -ECANCELED that raft does not answer by itself now (all: what it may yet answer, too). */
void requests_cancel(struct replica *r, bool all);
/* An entry that only makes the log longer. cb may be NULL. A RAFT_ code. */
int request_push(struct replica *r, replica_cb cb, void *data);

/* replica_change.c: changes of the membership */
void change_turn(struct replica *r);
void change_cancel(struct replica *r);
/* Whether raft may take a change of the membership, or a transfer. */
bool change_possible(const struct replica *r);
const struct raft_server *replica_server(const struct replica *r, raft_id id);

/* replica_transfer.c */
void transfer_turn(struct replica *r);
void transfer_cancel(struct replica *r);

/* replica_rewrite.c */
void rewrite_snapshot_taken(struct replica *r, uint32_t key_id, int status);
void rewrite_turn(struct replica *r);
void rewrite_cancel(struct replica *r);
/* False while its worker runs. */
bool rewrite_idle(const struct replica *r);
