/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "basic/cleanup.h"
#include "raft/ballast.h"
#include "raft/replica_private.h"

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

void replica_turned(void *data)
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

void replica_io_failed(void *data, const char *why)
{
    replica_fail(data, "%s", why);
}

void replica_snapshot_taken(void *data, uint32_t key_id, int status)
{
    struct replica *r = data;

    if (!r->closing && !r->abandoned)
        rewrite_snapshot_taken(r, key_id, status);
}

void replica_free(struct replica *r)
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

void replica_abandon(struct replica *r)
{
    r->abandoned = true;
    (void) ballast_keep(r->folder);
    raft_close(&r->raft, on_raft_closed);
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

void replica_checked(void *data)
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
        return; /* replica_checked does what is left */
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

bool replica_wants_link(void *data, uint64_t id)
{
    struct replica *r = data;

    return r->raft.configuration.n == 0 || replica_server(r, id) ||
           (r->raft.state == RAFT_FOLLOWER && r->raft.follower_state.current_leader.id == id);
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
