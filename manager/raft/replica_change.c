/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "raft/replica_private.h"

#define PATIENCE_MS 180000

/* A member that is being added or removed, step by step: a barrier first, for a new leader must not change the membership before an
 * entry of its own term is committed; then what the membership lacks, until nothing is. */
struct change {
    struct replica *replica;
    replica_cb cb;
    void *data;
    raft_id id;
    char *address; /* NULL: it is to be removed */
    uint64_t deadline;
    struct raft_change request;
    bool in_raft; /* the request, or the barrier */
    bool answered;
};

static void change_answer(struct change *c, int result)
{
    if (!c->answered && c->cb) {
        c->answered = true;
        c->cb(c->data, result);
    }
}

static void change_end(struct change *c, int result)
{
    c->replica->change = NULL;
    change_answer(c, result);
    free(c->address);
    free(c);
}

static int change_errno(const struct replica *r, int rv)
{
    switch (rv) {
    case RAFT_CANTCHANGE:
        return -EAGAIN;
    case RAFT_NOCONNECTION: /* gave up waiting for it to catch up */
        return -ETIMEDOUT;
    case RAFT_LEADERSHIPLOST:
    case RAFT_CANCELED:
        return r->failed || r->closing ? -ECANCELED : -ENOTCONN;
    default:
        return sealed_errno(rv);
    }
}

static void change_step(struct change *c);

static void on_changed(struct raft_change *request, int status)
{
    struct change *c = request->data;

    c->in_raft = false;
    if (status != 0 || c->answered)
        change_end(c, change_errno(c->replica, status));
    else
        change_step(c);
}

static bool address_taken(const struct replica *r, const char *address)
{
    for (unsigned i = 0; i < r->raft.configuration.n; i++)
        if (strcmp(r->raft.configuration.servers[i].address, address) == 0)
            return true;
    return false;
}

/* 1: raft is at it; 0: nothing is to be done any more; or a negative errno. */
static int change_begin(struct change *c)
{
    struct replica *r = c->replica;
    const struct raft_server *server = replica_server(r, c->id);
    int rv;

    if (!replica_is_leader(r))
        return r->failed || r->closing ? -ECANCELED : -ENOTCONN;
    if (!change_possible(r))
        return -EAGAIN;
    if (!c->address && !server)
        return 0;
    if (!c->address)
        rv = raft_remove(&r->raft, &c->request, c->id, on_changed);
    else if (server ? strcmp(server->address, c->address) != 0 : address_taken(r, c->address))
        return -EEXIST;
    else if (server && server->role == RAFT_VOTER)
        return 0;
    else if (server)
        rv = raft_assign(&r->raft, &c->request, c->id, RAFT_VOTER, on_changed);
    else if (r->raft.configuration.n >= REPLICA_MEMBERS_MAX)
        return -EMSGSIZE;
    else
        rv = raft_add(&r->raft, &c->request, c->id, c->address, on_changed);
    if (rv == 0)
        return 1;
    if (r->raft.legacy.change == &c->request) /* raft_assign leaves it there */
        r->raft.legacy.change = NULL;
    return change_errno(r, rv);
}

static void change_step(struct change *c)
{
    int r;

    c->request = (struct raft_change) { .data = c };
    r = change_begin(c);
    c->in_raft = r == 1;
    if (r < 1)
        change_end(c, r);
}

static void on_pushed(void *data, int result)
{
    struct change *c = data;
    const struct replica *r = c->replica;

    c->in_raft = false;
    if (result == -ECANCELED && !r->failed && !r->closing)
        result = -ENOTCONN;
    if (result < 0 || c->answered)
        change_end(c, result);
    else
        change_step(c);
}

bool change_possible(const struct replica *r)
{
    return r->raft.state == RAFT_LEADER && r->raft.configuration_uncommitted_index == 0 && r->raft.leader_state.promotee_id == 0 &&
           r->raft.leader_state.transferee == 0 && !r->raft.legacy.change;
}

static int change_new(struct replica *r, uint64_t id, const char *address, replica_cb cb, void *data)
{
    struct change *c;
    int rv;

    if (!replica_is_leader(r))
        return -ENOTCONN;
    if (r->change || r->transfer || !change_possible(r))
        return -EAGAIN;
    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    *c = (struct change) { .replica = r, .cb = cb, .data = data, .id = id, .address = address ? strdup(address) : NULL, .in_raft = true };
    c->deadline = uv_now(r->config.loop) + PATIENCE_MS;
    rv = address && !c->address ? RAFT_NOMEM : request_push(r, on_pushed, c);
    if (rv != 0) {
        free(c->address);
        free(c);
        return change_errno(r, rv);
    }
    r->change = c;
    return 0;
}

int replica_add(struct replica *r, uint64_t id, const char *address, replica_cb cb, void *data)
{
    if (id == 0 || !address || !address[0] || strlen(address) > REPLICA_ADDRESS_MAX)
        return -EINVAL;
    return change_new(r, id, address, cb, data);
}

int replica_remove(struct replica *r, uint64_t id, replica_cb cb, void *data)
{
    if (id == 0 || id == r->config.id)
        return -EINVAL;
    return change_new(r, id, NULL, cb, data);
}

/* libraft forgets a request when it cannot submit the entry that makes a member a voter after it has caught up. */
static bool is_lost(const struct change *c)
{
    const struct raft *raft = &c->replica->raft;

    return c->in_raft && raft->legacy.change == &c->request && c->request.catch_up_id == 0 && raft->state == RAFT_LEADER &&
           raft->configuration_uncommitted_index == 0 && raft->leader_state.promotee_id == 0;
}

void change_turn(struct replica *r)
{
    struct change *c = r->change;

    if (c && is_lost(c)) {
        r->raft.legacy.change = NULL;
        on_changed(&c->request, 0);
        c = r->change;
    }
    if (c && !c->answered && uv_now(r->config.loop) >= c->deadline)
        change_answer(c, -ETIMEDOUT); /* raft has it still */
}

void change_cancel(struct replica *r)
{
    if (r->change)
        change_answer(r->change, -ECANCELED);
}
