/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <raft.h>
#include <raft/uv.h>
#include <uv.h>

#include "basic/error.h"
#include "raft/highwater.h"
#include "raft/keyring.h"

/* A raft_io around raft_uv's: what raft stores is encrypted and bound to its place before raft_uv writes it, and opened after raft_uv has
 * read it; the high-water file is kept up to date. Unlike raft_uv it never fails an append back into libraft, which would free it twice:
 * after a failure nothing is stored, sent or received any more, and the owner has to close. */
struct sealed_io;

struct sealed_io_config {
    uv_loop_t *loop;
    const char *folder;
    struct highwater *highwater;         /* borrowed, as are the next two */
    const struct keyring *keyring;
    struct raft_uv_transport *transport;
    size_t segment_size;
    uint64_t snapshot_index, snapshot_term; /* the one that must be loaded, from folder_check() */

    void *data;
    void (*turned)(void *data);                  /* raft has handled a tick or a message */
    void (*checked)(void *data);                 /* once per turn of the loop: the capacity is up to date */
    void (*failed)(void *data, const char *why); /* once; from within raft, so only note it */
    void (*snapshot_taken)(void *data, uint32_t key_id, int status); /* from within raft too; status is 0 or a RAFT_ code */
    void (*loaded)(void *data, bool is_snapshot, const void *bytes, size_t size); /* NULL, or gets each snapshot and command on disk */
};

int sealed_io_new(const struct sealed_io_config *config, struct sealed_io **ret, struct error *e);
/* Once raft is closed, or was never initialised. */
void sealed_io_free(struct sealed_io *s);

/* Of a RAFT_ code. */
int sealed_errno(int rv);

/* For raft_init(). */
struct raft_io *sealed_io_get(struct sealed_io *s);

/* As after a failure, but without telling. */
void sealed_io_stop(struct sealed_io *s);

/* Why raft_start() failed, when that was for what is on disk; else 0. */
int sealed_io_load_error(const struct sealed_io *s, struct error *e);

/* True when raft_uv has no room prepared and does not try to get any, which is so after a start on a full disk until something is
 * appended. */
bool sealed_io_starved(const struct sealed_io *s);
