/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "raft/sealed_io.h"

#define ALLOCATION_RETRY_MS 300 /* of raft_uv, while the disk is full */
#define SEALED_TOLD_MAX 32

/* What another member has from this leader. */
struct sealed_told {
    raft_id id;
    raft_term term;
    raft_index last, commit, stored; /* the last entry that it was sent, how far they were committed, how far it has stored them */
    raft_term last_term;
    unsigned char version;
    bool asked; /* at this tick */
};

struct sealed_append;
struct sealed_send;

struct sealed_io {
    struct raft_io outer; /* what raft sees */
    struct raft_io inner; /* raft_uv's */
    struct sealed_io_config config;
    char *folder;
    struct raft_tracer tracer;
    raft_io_tick_cb tick;
    raft_io_recv_cb recv;
    raft_io_close_cb close_cb;

    raft_index next; /* of the entry that is appended next */
    struct sealed_append *appends, *stuck;
    unsigned puts, installs; /* snapshots that are being stored: own ones, and ones from a leader */
    struct raft_message *held; /* an InstallSnapshot that has to wait for them */
    struct sealed_send *sending, *unsent;
    struct sealed_told told[SEALED_TOLD_MAX];
    raft_index got_index; /* of the snapshot that was read last, to be sent */
    raft_term got_term;
    size_t appended; /* bytes since raft_uv told its capacity */
    bool written;    /* raft_uv has ended a write and not told of a success */

    uv_check_t check;
    uv_work_t flush;
    int flush_result;
    unsigned ticks;
    unsigned pending; /* what has to end before the close is complete */
    bool started, closing, failed, flushing;
    int load_error;
    struct error error;
};

static inline struct sealed_io *sealed_of_outer(struct raft_io *io)
{
    return (struct sealed_io *) ((char *) io - offsetof(struct sealed_io, outer));
}

static inline struct sealed_io *sealed_of_inner(struct raft_io *io)
{
    return (struct sealed_io *) ((char *) io - offsetof(struct sealed_io, inner));
}

void sealed_fail(struct sealed_io *s, const char *format, ...) _printf_(2, 3);
/* Passes on what raft_uv returned, and its message. */
int sealed_result(struct sealed_io *s, int rv);
void sealed_pending_done(struct sealed_io *s);

/* The raft_io methods, by file. */
int sealed_load(struct raft_io *io, raft_term *term, raft_id *vote, struct raft_snapshot **snapshot, raft_index *start,
                struct raft_entry **entries, size_t *n);
void sealed_loaded_free(struct raft_snapshot *snapshot, struct raft_entry *entries, size_t n);
int sealed_append(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n, raft_io_append_cb cb);
int sealed_truncate(struct raft_io *io, raft_index index);
/* What is being appended will not be there: it must not raise the mark. */
void sealed_append_forget(struct sealed_io *s, raft_index from);
/* Answers the appends that a failure has stranded. */
void sealed_append_close(struct sealed_io *s);
int sealed_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *message, raft_io_send_cb cb);
/* Answers what could not be sent. */
void sealed_send_failed(struct sealed_io *s);
/* The member's address in the membership, or the one given. */
const char *sealed_address(const struct raft *r, raft_id id, const char *address);
/* What went to, and came from, another member. */
void sealed_note_sent(struct sealed_io *s, const struct raft_message *m);
void sealed_note_received(struct sealed_io *s, const struct raft_message *m);
/* Tells the other members what has been committed, where they do not know it yet. */
void sealed_tell_commits(struct sealed_io *s);
/* Lets libraft have its tick. */
void sealed_tick(struct sealed_io *s);
/* raft_uv's callback for messages. */
void sealed_on_recv(struct raft_io *io, struct raft_message *message);
/* A snapshot was stored: hands on what was held for that. */
void sealed_recv_resume(struct sealed_io *s);
void sealed_recv_close(struct sealed_io *s);
int sealed_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
                        raft_io_snapshot_put_cb cb);
int sealed_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req, raft_io_snapshot_get_cb cb);
/* Opens a loaded snapshot in place. A negative errno as envelope_open. */
int sealed_snapshot_open(const struct keyring *k, struct raft_snapshot *snapshot);
void sealed_snapshot_destroy(struct raft_snapshot *snapshot);
