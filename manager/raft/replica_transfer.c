/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "raft/replica_private.h"

struct transfer {
    struct raft_transfer request;
    struct replica *replica;
    replica_cb cb; /* NULL: answered, or nobody asked */
    void *data;
};

static void transfer_answer(struct transfer *t, int result)
{
    replica_cb cb = t->cb;

    t->cb = NULL;
    if (cb)
        cb(t->data, result);
}

/* raft tells no result: either this member still leads, or there is another leader. */
static void on_transferred(struct raft_transfer *request)
{
    struct transfer *t = request->data;
    struct replica *r = t->replica;

    r->transfer = NULL;
    transfer_answer(t, r->failed || r->closing ? -ECANCELED : replica_is_leader(r) ? -ETIMEDOUT : 0);
    free(t);
}

static bool is_other_voter(const struct replica *r, raft_id id)
{
    const struct raft_server *server = replica_server(r, id);

    return server && server->id != r->config.id && server->role == RAFT_VOTER;
}

static bool has_other_voter(const struct replica *r)
{
    for (unsigned i = 0; i < r->raft.configuration.n; i++)
        if (is_other_voter(r, r->raft.configuration.servers[i].id))
            return true;
    return false;
}

int replica_transfer(struct replica *r, uint64_t id, replica_cb cb, void *data)
{
    struct transfer *t;
    int rv;

    if (!replica_is_leader(r))
        return -ENOTCONN;
    if (id != 0 ? !is_other_voter(r, id) : !has_other_voter(r))
        return -EINVAL;
    if (r->change || r->transfer || !change_possible(r))
        return -EAGAIN;
    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    *t = (struct transfer) { .replica = r, .cb = cb, .data = data };
    t->request.data = t;
    rv = raft_transfer(&r->raft, &t->request, id, on_transferred);
    if (rv != 0) {
        free(t);
        return sealed_errno(rv);
    }
    r->transfer = t;
    return 0;
}

/* raft tells the end only when there is another leader. */
void transfer_turn(struct replica *r)
{
    if (r->transfer && r->transfer->cb && !replica_is_leader(r))
        transfer_answer(r->transfer, 0);
}

void transfer_cancel(struct replica *r)
{
    if (r->transfer)
        transfer_answer(r->transfer, -ECANCELED);
}
