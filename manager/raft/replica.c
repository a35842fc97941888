/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "basic/cleanup.h"
#include "raft/advice.h"
#include "raft/ballast.h"
#include "raft/folder.h"
#include "raft/replica_private.h"

#define ELECTION_MS 1000
#define CATCH_UP_ROUNDS 10
#define CATCH_UP_ROUND_MS 60000 /* a snapshot may have to get through */
#define INSTALL_SNAPSHOT_MS 60000
#define FULL_TICKS 20
#define ROOM_SPARE (1024UL * 1024)
#define BALLAST_TICKS 50

void replica_fail(struct replica *r, const char *format, ...)
{
    va_list ap;

    if (r->failed)
        return;
    r->failed = true;
    if (r->io)
        sealed_io_stop(r->io);
    va_start(ap, format);
    (void) vsnprintf(r->failure.text, sizeof(r->failure.text), format, ap);
    va_end(ap);
    replica_wake(r);
}

bool replica_has_room(const struct replica *r)
{
    struct statvfs st;

    return statvfs(r->folder, &st) == 0 && (uint64_t) st.f_bavail * st.f_frsize >= r->config.segment_size + ROOM_SPARE;
}

void replica_limit_capacity(struct replica *r)
{
    size_t half = r->config.segment_size / 2 / 1024;

    raft_set_capacity_threshold(&r->raft, (unsigned short) (half < CAPACITY_THRESHOLD ? half : CAPACITY_THRESHOLD));
}

void replica_set_snapshots(struct replica *r, unsigned threshold)
{
    raft_set_snapshot_threshold(&r->raft, threshold);
    raft_set_snapshot_trailing(&r->raft, threshold); /* never 0: that would replace the log */
}

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

static void notice_change(struct replica *r)
{
    bool leads = replica_is_leader(r);
    raft_id leader = replica_leader(r, NULL);

    if (r->starting || (leads == r->led && leader == r->known_leader))
        return;
    r->led = leads;
    r->known_leader = leader;
    r->on_change(r->data);
}

/* After a start on a full disk raft_uv has no segment and asks for none until something is appended, while raft takes no proposal until
 * there is one. */
static void prime_done(void *data, _unused_ int result)
{
    struct replica *r = data;

    r->priming = false;
}

static void prime(struct replica *r)
{
    if (r->priming || r->failed || !sealed_io_starved(r->io) || !replica_is_leader(r) || !replica_has_room(r))
        return;
    raft_set_capacity_threshold(&r->raft, 0);
    r->priming = request_push(r, prime_done, r) == 0;
    replica_limit_capacity(r);
}

/* A leader whose disk is full stores nothing more and keeps all in memory: another one is to lead. */
static void mind_room(struct replica *r)
{
    if (!replica_is_leader(r) || sealed_io_get(r->io)->capacity >= r->raft.capacity_threshold || replica_has_room(r)) {
        r->full_ticks = 0;
        return;
    }
    if (++r->full_ticks % FULL_TICKS == 0)
        (void) replica_transfer(r, 0, NULL, NULL);
}

static void on_turned(void *data)
{
    struct replica *r = data;

    if (r->closing || r->abandoned)
        return;
    notice_change(r);
    prime(r);
    mind_room(r);
    if (++r->ticks % BALLAST_TICKS == 0 && !r->ballast && replica_has_room(r))
        r->ballast = ballast_keep(r->folder) == 0;
}

static void on_failed(void *data, const char *why)
{
    replica_fail(data, "%s", why);
}

static void on_snapshot_taken(void *data, uint32_t key_id, int status)
{
    struct replica *r = data;

    if (!r->closing && !r->abandoned)
        rewrite_snapshot_taken(r, key_id, status);
}

static void replica_free(struct replica *r)
{
    sealed_io_free(r->io);
    highwater_free(r->highwater);
    free(r->folder);
    free(r);
}

static void on_wake_closed(uv_handle_t *handle)
{
    struct replica *r = handle->data;
    void (*cb)(void *) = r->close_cb;
    void *data = r->close_data;

    replica_free(r);
    if (cb)
        cb(data);
}

static void on_raft_closed(struct raft *raft)
{
    struct replica *r = raft->data;

    uv_close((uv_handle_t *) &r->wake, on_wake_closed);
}

/* Not where timers run: raft_uv does not expect it between the end of one of its own and that one's function. */
static void close_raft(struct replica *r)
{
    if (r->closing_raft)
        return;
    requests_cancel(r, false);
    rewrite_cancel(r);
    transfer_cancel(r);
    change_cancel(r);
    if (!rewrite_idle(r))
        return; /* woken again when its worker has ended */
    r->closing_raft = true;
    raft_close(&r->raft, on_raft_closed);
}

static void on_checked(void *data)
{
    struct replica *r = data;

    if (r->closing)
        close_raft(r);
    if (r->closing || r->abandoned || r->failed)
        return;
    requests_serve(r);
    rewrite_turn(r);
    transfer_turn(r);
    change_turn(r);
}

static void tell_failure(struct replica *r)
{
    r->failure_told = true;
    r->led = false;
    requests_cancel(r, true);
    rewrite_cancel(r);
    transfer_cancel(r);
    change_cancel(r);
    r->on_change(r->data);
}

static void on_wake(uv_timer_t *wake)
{
    struct replica *r = wake->data;

    if (r->closing)
        return; /* on_checked does what is left */
    if (r->failed && !r->failure_told && !r->starting)
        tell_failure(r);
    if (!r->failed)
        requests_serve(r);
    rewrite_turn(r);
}

void replica_wake(struct replica *r)
{
    if (!r->starting && !r->abandoned)
        (void) uv_timer_start(&r->wake, on_wake, 0, 0);
}

/* Whom raft has to talk to: also a leader that a member which is still catching up does not know from its log. */
static bool wants_link(void *data, uint64_t id)
{
    struct replica *r = data;

    return r->raft.configuration.n == 0 || replica_server(r, id) ||
           (r->raft.state == RAFT_FOLLOWER && r->raft.follower_state.current_leader.id == id);
}

static int config_copy(struct replica *r, const struct replica_config *config)
{
    r->config = *config;
    r->folder = strdup(config->folder);
    if (!r->folder)
        return -ENOMEM;
    r->config.folder = r->folder;
    r->config.highwater = r->config.address = NULL;
    if (r->config.segment_size == 0)
        r->config.segment_size = SEGMENT_SIZE;
    if (r->config.snapshot_threshold == 0)
        r->config.snapshot_threshold = SNAPSHOT_THRESHOLD;
    if (r->config.election_ms == 0)
        r->config.election_ms = ELECTION_MS;
    transport_links_init(&r->links, config->loop, &config->links);
    r->links.wants = wants_link;
    r->links.data = r;
    r->fsm = (struct raft_fsm) { .version = 1, .data = r, .apply = fsm_apply, .snapshot = fsm_snapshot, .restore = fsm_restore };
    requests_init(r);
    return 0;
}

/* Everything up to here leaves the disk as it is. */
static int check(struct replica *r, const struct replica_config *config, struct folder_state *ret, struct error *e)
{
    int result = highwater_open(config->highwater, &r->highwater, e);

    return result < 0 ? result : folder_check(r->folder, config->keyring, highwater_get(r->highwater), ret, e);
}

static int mend(struct replica *r, const struct folder_state *state, struct error *e)
{
    int result = folder_mend(r->folder, state, e);

    if (result == 0 && state->n_stumbles > 0)
        (void) error_set(&r->notice, 0, "%s was mended after a crash, nothing that was acknowledged is lost: %s %s (%zu file%s in all)",
                         r->folder, state->stumbles[0].keep > 0 ? "cut the torn end of" : "set aside", state->stumbles[0].name,
                         state->n_stumbles, state->n_stumbles == 1 ? "" : "s");
    return result;
}

static void on_loaded(void *data, bool is_snapshot, const void *bytes, size_t size)
{
    const struct replica_machine *ahead = ((struct replica *) data)->config.ahead;

    (void) (is_snapshot ? ahead->restore : ahead->apply)(ahead->data, bytes, size);
}

static int prepare_io(struct replica *r, const struct folder_state *state, struct error *e)
{
    const struct sealed_io_config config = {
        .loop = r->config.loop,
        .folder = r->folder,
        .highwater = r->highwater,
        .keyring = r->config.keyring,
        .transport = &r->links.transport,
        .segment_size = r->config.segment_size,
        .snapshot_index = state->snapshot_index,
        .snapshot_term = state->snapshot_term,
        .data = r,
        .loaded = r->config.ahead ? on_loaded : NULL,
        .turned = on_turned,
        .checked = on_checked,
        .failed = on_failed,
        .snapshot_taken = on_snapshot_taken,
    };

    return sealed_io_new(&config, &r->io, e);
}

static int prepare_raft(struct replica *r, const char *address, struct error *e)
{
    int rv;

    r->raft.data = r;
    rv = raft_init(&r->raft, sealed_io_get(r->io), &r->fsm, r->config.id, address);
    if (rv != 0)
        return error_set(e, sealed_errno(rv), "cannot use %s (%s)%s", r->folder, raft_errmsg(&r->raft),
                         sealed_errno(rv) == -EBADMSG ? ": " RESTORE_OR_LEAVE : "");
    r->raft.tracer = NULL; /* it formats texts for nobody */
    raft_set_election_timeout(&r->raft, r->config.election_ms);
    raft_set_heartbeat_timeout(&r->raft, r->config.election_ms / 10);
    raft_set_pre_vote(&r->raft, true);
    raft_set_max_catch_up_rounds(&r->raft, CATCH_UP_ROUNDS);
    raft_set_max_catch_up_round_duration(&r->raft, CATCH_UP_ROUND_MS);
    raft_set_install_snapshot_timeout(&r->raft, INSTALL_SNAPSHOT_MS);
    replica_limit_capacity(r);
    replica_set_snapshots(r, r->config.snapshot_threshold);
    (void) uv_timer_init(r->config.loop, &r->wake);
    r->wake.data = r;
    return 0;
}

static int start(struct replica *r, struct error *e)
{
    int rv, result;

    r->starting = true;
    rv = raft_start(&r->raft);
    r->starting = false;
    if (rv == 0 && !r->failed)
        return 0;
    result = sealed_io_load_error(r->io, e);
    if (result == 0 && r->machine_error < 0)
        result = error_set(e, r->machine_error, "%s: %s%s", r->folder, r->failure.text,
                           r->machine_error == -EBADMSG ? "; " RESTORE_OR_LEAVE : "");
    if (result == 0)
        result = error_set(e, rv ? sealed_errno(rv) : -EIO, "cannot start from %s: %s", r->folder,
                           r->failed ? r->failure.text : raft_errmsg(&r->raft));
    return result;
}

/* The memory is given back by the loop. */
static void abandon(struct replica *r)
{
    r->abandoned = true;
    (void) ballast_keep(r->folder);
    raft_close(&r->raft, on_raft_closed);
}

static int open_checked(struct replica *r, const char *address, const struct folder_state *state, struct error *e)
{
    int result = mend(r, state, e);

    if (result == 0)
        result = prepare_io(r, state, e);
    if (result == 0) {
        ballast_release(r->folder);
        result = prepare_raft(r, address, e);
        if (result < 0)
            (void) ballast_keep(r->folder);
    }
    if (result < 0) {
        replica_free(r);
        return result;
    }
    result = start(r, e);
    r->config.ahead = NULL;
    if (result < 0) {
        abandon(r);
        return result;
    }
    r->ballast = ballast_keep(r->folder) == 0;
    r->led = replica_is_leader(r);
    r->known_leader = replica_leader(r, NULL);
    return 0;
}

int replica_open(const struct replica_config *config, void (*on_change)(void *data), void *data, struct replica **ret, struct error *e)
{
    struct replica *r = calloc(1, sizeof(*r));
    struct folder_state state = { 0 };
    int result;

    if (!r)
        return error_set(e, -ENOMEM, "out of memory");
    r->on_change = on_change;
    r->data = data;
    result = config_copy(r, config);
    result = result < 0 ? error_set(e, result, "out of memory") : check(r, config, &state, e);
    if (result < 0) {
        replica_free(r);
        return result;
    }
    result = open_checked(r, config->address, &state, e);
    folder_state_done(&state);
    if (result == 0)
        *ret = r;
    return result;
}

bool replica_is_leader(const struct replica *r)
{
    return !r->failed && !r->closing && r->raft.state == RAFT_LEADER;
}

uint64_t replica_leader(const struct replica *r, const char **ret_address)
{
    const char *address = NULL;
    raft_id id = 0;

    if (!r->failed && !r->closing)
        raft_leader((struct raft *) &r->raft, &id, &address);
    if (ret_address && id != 0)
        *ret_address = address;
    return id;
}

size_t replica_n_members(const struct replica *r)
{
    return r->raft.configuration.n;
}

void replica_member_at(const struct replica *r, size_t i, uint64_t *ret_id, const char **ret_address, bool *ret_votes)
{
    const struct raft_server *server = &r->raft.configuration.servers[i];

    if (ret_id)
        *ret_id = server->id;
    if (ret_address)
        *ret_address = server->address;
    if (ret_votes)
        *ret_votes = server->role == RAFT_VOTER;
}

const struct raft_server *replica_server(const struct replica *r, raft_id id)
{
    for (unsigned i = 0; i < r->raft.configuration.n; i++)
        if (r->raft.configuration.servers[i].id == id)
            return &r->raft.configuration.servers[i];
    return NULL;
}

int replica_accept(struct replica *r, uint64_t id, const char *address, int fd)
{
    const struct raft_server *server = replica_server(r, id);

    if (r->failed || r->closing || !r->config.links.dial)
        return -ENOTCONN;
    if (id == 0 || id == r->config.id || !address || !address[0] || strlen(address) > REPLICA_ADDRESS_MAX)
        return -EINVAL;
    return transport_links_accept(&r->links, id, server ? server->address : address, fd);
}

uint64_t replica_applied(const struct replica *r)
{
    return r->raft.last_applied;
}

const char *replica_failure(const struct replica *r)
{
    return r->failed ? r->failure.text : NULL;
}

const char *replica_notice(const struct replica *r)
{
    return r->notice.text[0] ? r->notice.text : NULL;
}

void replica_close(struct replica *r, void (*cb)(void *data), void *data)
{
    r->closing = true;
    r->close_cb = cb;
    r->close_data = data;
    replica_wake(r);
}
