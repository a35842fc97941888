/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libraft's state machine is the caller's. */
#include <errno.h>
#include <string.h>

#include "raft/replica_private.h"

/* Never fails into libraft, which would free a leader's entries twice: after a failure nothing is applied any more, and whoever proposed
 * does not learn the outcome. */
static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct replica *r = fsm->data;
    int outcome = -ECANCELED;

    if (!r->failed && !r->abandoned)
        outcome = r->config.machine.apply(r->config.machine.data, buf->base, buf->len);
    /* not outcomes of the state machine: other members may have applied the entry */
    if (outcome == -ENOMEM || outcome == -EPROTONOSUPPORT) {
        r->machine_error = outcome;
        replica_fail(r, "%s", outcome == -ENOMEM ? "out of memory while applying an entry"
                                                 : "the log has an entry of a newer version: install a newer swarm-manager");
        outcome = -ECANCELED;
    }
    *result = (void *) (intptr_t) outcome;
    return 0;
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct replica *r = fsm->data;
    struct raft_buffer *buf;

    if (r->failed || r->abandoned)
        return RAFT_NOMEM;
    buf = raft_malloc(sizeof(*buf));
    if (!buf)
        return RAFT_NOMEM;
    if (r->config.machine.snapshot(r->config.machine.data, &buf->base, &buf->len) < 0) {
        raft_free(buf);
        return RAFT_NOMEM;
    }
    *bufs = buf;
    *n_bufs = 1;
    return 0;
}

/* Fails into libraft at the start alone: later it would not free the snapshot. */
static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct replica *r = fsm->data;
    int result = r->failed || r->abandoned ? -ECANCELED : r->config.machine.restore(r->config.machine.data, buf->base, buf->len);

    if (result < 0 && !r->failed && !r->abandoned) {
        r->machine_error = result;
        replica_fail(r, "the snapshot cannot be restored: %s", strerror(-result));
    }
    if (result < 0 && r->starting)
        return result == -ENOMEM ? RAFT_NOMEM : RAFT_MALFORMED;
    raft_free(buf->base); /* ours on success only */
    return 0;
}

void replica_machine_init(struct replica *r)
{
    r->fsm = (struct raft_fsm) { .version = 1, .data = r, .apply = fsm_apply, .snapshot = fsm_snapshot, .restore = fsm_restore };
}
