/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "basic/error.h"
#include "raft/keyring.h"

/* One member of a Raft group whose log and snapshots are encrypted on disk. Everything here belongs to the thread of config.loop. */

#define REPLICA_COMMAND_MAX (1152U * 1024)
#define REPLICA_IN_FLIGHT_MAX 32

/* The state machine that is replicated. Commands and snapshots are opaque; their sizes are multiples of 8. */
struct replica_machine {
    void *data;
    /* The outcome, ≥ 0 or a negative errno, goes to the proposer as it is; after -ENOMEM and -EPROTONOSUPPORT the replica stops. */
    int (*apply)(void *data, const void *command, size_t size);
    /* A buffer from malloc. */
    int (*snapshot)(void *data, void **ret, size_t *ret_size);
    /* Replaces the whole state, or leaves it untouched on failure. */
    int (*restore)(void *data, const void *snapshot, size_t size);
};

struct raft_uv_transport;

struct replica_config {
    uv_loop_t *loop;
    const char *folder;     /* raft_uv's files */
    const char *highwater;  /* the high-water file, docs/FORMATS.md */
    uint64_t id;            /* never 0 */
    const char *address;
    struct keyring *keyring; /* borrowed; may be changed by keyring_set at any time on this thread */
    struct replica_machine machine;
    unsigned snapshot_threshold; /* 0: the default */
    struct raft_uv_transport *transport; /* borrowed; NULL: a member that is alone */
    size_t segment_size; /* 0: the default */
};

struct replica;

typedef void (*replica_cb)(void *data, int result);

/* Creates an empty one-voter log under config->folder (which it makes) and the high-water file. Blocking, for init. -EEXIST when the
 * folder holds anything or the high-water file exists; what was made before a failure is removed again, but not after a crash. */
int replica_bootstrap(const struct replica_config *config, struct error *e);

/* Loads snapshot and log and starts. -EBADMSG with a text that names the file when anything is damaged or shorter than what was once
 * durable; then nothing on disk was changed. A member that is alone leads when this returns; on_change is called when leadership was won
 * or lost later, or the replica failed (replica_failure): then nothing is stored any more and it must be closed. After a failure of
 * replica_open the loop has to turn once more before it is closed; keyring and machine are not used any more. */
int replica_open(const struct replica_config *config, void (*on_change)(void *data), void *data, struct replica **ret, struct error *e);

bool replica_is_leader(const struct replica *r);
/* Why the replica stopped working (disk error, …), or NULL. */
const char *replica_failure(const struct replica *r);

/* What had to be mended for replica_open to work after a crash, to be told to whoever looks after the machine; or NULL. */
const char *replica_notice(const struct replica *r);

/* Copies the command. cb, which is never called from within this function, gets apply's outcome once the command is durable and applied;
 * -EAGAIN at once when REPLICA_IN_FLIGHT_MAX are in flight, -ENOTCONN when not the leader, -EINVAL when size is 0 or no multiple of 8,
 * -EMSGSIZE, -ENOSPC (also in cb, after two seconds at most). Not from within apply, snapshot or restore.
 * After -ECANCELED in cb (leadership lost, closing) the outcome is unknown. */
int replica_propose(struct replica *r, const void *command, size_t size, replica_cb cb, void *data);

/* cb once everything committed so far has been applied; a leader's only. Works on a full disk while the member is alone. */
int replica_barrier(struct replica *r, replica_cb cb, void *data);

/* Rewrites the log: when cb is called with 0, no file of the folder holds a record under any DEK but the active one (segments are cut, two
 * snapshots are taken, older segments and snapshots are deleted). One at a time: -EALREADY. Fails with -ETIMEDOUT after a minute without
 * progress, -ENOSPC, -EIO when records under other keys do not go away; it may then be repeated. */
int replica_rewrite(struct replica *r, replica_cb cb, void *data);

/* Stops, then frees r and calls cb. Pending proposals get -ECANCELED first. Not from within a replica callback. */
void replica_close(struct replica *r, void (*cb)(void *data), void *data);
