/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "basic/error.h"
#include "raft/keyring.h"

/* One member of a Raft group whose log and snapshots are encrypted on disk. Everything here belongs to the thread of config.loop. */

#define REPLICA_COMMAND_MAX (1152U * 1024)
#define REPLICA_IN_FLIGHT_MAX 32
#define REPLICA_ADDRESS_MAX 255 /* without the final 0 */
#define REPLICA_MEMBERS_MAX 32

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

struct replica_dial;

/* The way to the other members: connected stream sockets, over which raft_uv's own messages flow (wire_check.h bounds them). */
struct replica_links {
    void *data;
    /* Is to connect to that member and to tell the end by replica_dial_done(), once for each call and not from within it. It is asked
     * again about every 200 ms while the member cannot be reached, but never while a dial to the same member is under way. A NULL
     * function is for a member that is alone. Not called any more after replica_close(). */
    void (*dial)(void *data, uint64_t id, const char *address, struct replica_dial *dial);
};

/* A connected stream socket (raft owns it from here on, in every case), or a negative errno. Consumes dial. Harmless when the replica
 * has gone: the socket is closed then. On the thread of config.loop. */
void replica_dial_done(struct replica_dial *dial, int fd_or_error);

struct replica_config {
    uv_loop_t *loop;
    const char *folder;     /* raft_uv's files */
    const char *highwater;  /* the high-water file, docs/FORMATS.md */
    uint64_t id;            /* never 0 */
    const char *address;
    struct keyring *keyring; /* borrowed; may be changed by keyring_set at any time on this thread */
    struct replica_machine machine;
    /* NULL, or what gets all that the log holds while replica_open runs, committed or not: to look ahead. Its outcomes are ignored. */
    const struct replica_machine *ahead;
    unsigned snapshot_threshold; /* 0: the default */
    struct replica_links links;
    size_t segment_size; /* 0: the default */
    unsigned election_ms; /* 0: the default, 1000; heartbeats come ten times as often */
};

struct replica;

typedef void (*replica_cb)(void *data, int result);

/* Creates an empty one-voter log under config->folder (which it makes) and the high-water file. Blocking, for init. -EEXIST when the
 * folder holds anything or the high-water file exists; what was made before a failure is removed again, but not after a crash. */
int replica_bootstrap(const struct replica_config *config, struct error *e);

/* Like replica_bootstrap, but the log has no membership: the replica waits until a leader adds it (replica_add there) and never stands
 * for election before. config->address is the one by which it will be added. */
int replica_create(const struct replica_config *config, struct error *e);

/* Makes this member the only voter of a log that keeps all its entries: for when the others are lost for good. The replica must not be
 * open. Blocking; killed at any instant, a repeated call or replica_open works, and the membership is then the old one or the new one.
 * The entries that only this member has become committed. The other members must never be let in again with their logs. Errors as
 * replica_open; -EINVAL for a log without any membership. */
int replica_recover(const struct replica_config *config, struct error *e);

/* Loads snapshot and log and starts. -EBADMSG with a text that names the file when anything is damaged or shorter than what was once
 * durable; then nothing on disk was changed. A member that is the only voter leads when this returns; one with other voters returns as
 * a follower. on_change is called when leadership was won or lost later, when the leader known here changed, or the replica failed
 * (replica_failure): then nothing is stored, sent or received any more and it must be closed. After a failure of replica_open the loop
 * has to turn once more before it is closed; keyring and machine are not used any more. SIGPIPE must be ignored. */
int replica_open(const struct replica_config *config, void (*on_change)(void *data), void *data, struct replica **ret, struct error *e);

bool replica_is_leader(const struct replica *r);

/* The raft id of the leader that is known here, 0 when none is. *ret_address lives until the next turn of the loop; ret_address may be
 * NULL. */
uint64_t replica_leader(const struct replica *r, const char **ret_address);

/* The membership as the log here has it, committed or not. *ret_address lives until the next turn of the loop. The output parameters
 * may be NULL. */
size_t replica_n_members(const struct replica *r);
void replica_member_at(const struct replica *r, size_t i, uint64_t *ret_id, const char **ret_address, bool *ret_votes);

/* A member connected and proved, by means that are not raft's, that it is the one with that raft id. address is the one of the
 * membership (the member's config.address). On success fd (a connected stream socket) belongs to raft. -EINVAL: id 0 or this member's
 * own, or no address; -ENOTCONN: the replica has failed, is closing, or is alone (links.dial is NULL). */
int replica_accept(struct replica *r, uint64_t id, const char *address, int fd);
/* Why the replica stopped working (disk error, …), or NULL. */
const char *replica_failure(const struct replica *r);

/* What had to be mended for replica_open to work after a crash, to be told to whoever looks after the machine; or NULL. */
const char *replica_notice(const struct replica *r);

/* Copies the command. cb, which is never called from within this function, gets apply's outcome once the command is durable and applied;
 * -EAGAIN at once when REPLICA_IN_FLIGHT_MAX are in flight, -ENOTCONN when not the leader, -EINVAL when size is 0 or no multiple of 8,
 * -EMSGSIZE, -ENOSPC (also in cb, after two seconds at most). Not from within apply, snapshot or restore.
 * After -ECANCELED in cb (leadership lost, closing) the outcome is unknown. */
int replica_propose(struct replica *r, const void *command, size_t size, replica_cb cb, void *data);

/* What a leader alone can do; each returns -ENOTCONN at once, or in cb when leadership is lost before it was done, and -EAGAIN while another
 * change of the membership runs, this replica's own transfer included. cb is never called from within; -ECANCELED on close or failure.
 * The outcome is unknown after -ECANCELED, -ENOTCONN and -ETIMEDOUT in cb: the same call may be repeated.
 *
 * Adds a member as a spare, lets it catch up (this may take a snapshot), and makes it a voter. 0 too when it is one already with that
 * address; one that is a spare is made a voter. -EINVAL: an impossible id or address; -EEXIST: that id is a member with another address, or the
 * address another member's; -EMSGSIZE: REPLICA_MEMBERS_MAX; -ETIMEDOUT: it does not catch up; it stays a spare. */
int replica_add(struct replica *r, uint64_t id, const char *address, replica_cb cb, void *data);

/* 0 too when it is no member. -EINVAL for this member itself: transfer the leadership first. A removed member never learns of it: tell
 * it. */
int replica_remove(struct replica *r, uint64_t id, replica_cb cb, void *data);

/* Hands leadership to that voter, or with id 0 to the one that raft likes best. cb gets 0 once this member does not lead any more;
 * -EINVAL (at once): no other voter has that id; -ETIMEDOUT: the other did not take it, and this member goes on. No proposal is taken
 * meanwhile (-ENOTCONN). */
int replica_transfer(struct replica *r, uint64_t id, replica_cb cb, void *data);

/* The index of the newest entry that the machine here has. */
uint64_t replica_applied(const struct replica *r);

/* cb once the entry of that index is applied here, by a snapshot too. On any member. -ECANCELED on close or failure; -EAGAIN at once when
 * too many wait. */
int replica_wait_applied(struct replica *r, uint64_t index, replica_cb cb, void *data);

/* cb once everything committed so far has been applied; a leader's only. Works on a full disk while the member is alone. */
int replica_barrier(struct replica *r, replica_cb cb, void *data);

/* Rewrites the log: when cb is called with 0, no file of the folder holds a record under any DEK but the active one (segments are cut, two
 * snapshots are taken, older segments and snapshots are deleted). One at a time: -EALREADY. The log has to grow for it: a leader sees to that by
 * itself, another member needs some entries (four, as a rule) from its leader. Fails with -ETIMEDOUT after a minute without
 * progress, -ENOSPC, -EIO when records under other keys do not go away; it may then be repeated. */
int replica_rewrite(struct replica *r, replica_cb cb, void *data);
/* Its cb gets -ECANCELED from within; nothing when none runs. */
void replica_rewrite_cancel(struct replica *r);

/* Stops, then frees r and calls cb. Pending proposals get -ECANCELED first. Not from within a replica callback. */
void replica_close(struct replica *r, void (*cb)(void *data), void *data);
