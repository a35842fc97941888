/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "raft/sealed_private.h"

struct sealed_send {
    struct raft_io_send req, *outer;
    raft_io_send_cb cb;
    struct sealed_io *io;
    struct sealed_send *next, **link;
    raft_id to;
    int status;
};

static struct sealed_send *send_new(struct sealed_io *s, struct raft_io_send *req, raft_id to, raft_io_send_cb cb, struct sealed_send **list)
{
    struct sealed_send *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    *q = (struct sealed_send) { .outer = req, .cb = cb, .io = s, .next = *list, .link = list, .to = to };
    q->req.data = q;
    if (q->next)
        q->next->link = &q->next;
    *list = q;
    return q;
}

static void send_free(struct sealed_send *q)
{
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    free(q);
}

static void send_finish(struct sealed_send *q, int status)
{
    struct raft_io_send *outer = q->outer;
    raft_io_send_cb cb = q->cb;

    send_free(q);
    if (cb)
        cb(outer, status);
}

static void on_sent(struct raft_io_send *req, int status)
{
    send_finish(req->data, status);
}

void sealed_send_failed(struct sealed_io *s)
{
    while (s->unsent)
        send_finish(s->unsent, s->unsent->status);
}

static bool is_sending(const struct sealed_io *s, raft_id to)
{
    for (const struct sealed_send *q = s->sending; q; q = q->next)
        if (q->to == to)
            return true;
    return false;
}

/* libraft sends the newest snapshot of the folder under the term of the newest that it knows of, and while a large one is on its way,
 * sends it again and again. What is refused here it frees, and tries again later. */
static int send_snapshot(struct sealed_io *s, struct raft_io_send *req, struct raft_message *m, raft_io_send_cb cb)
{
    struct sealed_send *q;
    int rv;

    if (s->failed || s->closing || !m->install_snapshot.data.base || is_sending(s, m->server_id))
        return RAFT_CANCELED;
    if (m->install_snapshot.last_index == s->got_index)
        m->install_snapshot.last_term = s->got_term;
    q = send_new(s, req, m->server_id, cb, &s->sending);
    if (!q)
        return RAFT_NOMEM;
    rv = sealed_result(s, s->inner.send(&s->inner, &q->req, m, on_sent));
    if (rv != 0)
        send_free(q);
    return rv;
}

/* raft_uv makes a new connection whenever the address is not the one before; a message's is the one that its sender had told. */
const char *sealed_address(const struct raft *r, raft_id id, const char *address)
{
    for (unsigned i = 0; i < r->configuration.n; i++)
        if (r->configuration.servers[i].id == id)
            return r->configuration.servers[i].address;
    return address;
}

/* A message that could not be sent is told later: at this place libraft would take it for a failure of what the message is about. */
int sealed_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *message, raft_io_send_cb cb)
{
    struct sealed_io *s = sealed_of_outer(io);
    struct raft_message m = *message;
    struct sealed_send *q;
    int rv = RAFT_CANCELED;

    if (m.type == RAFT_APPEND_ENTRIES_RESULT && m.append_entries_result.last_log_index >= s->next)
        m.append_entries_result.last_log_index = 0; /* to a leader of an older term libraft sends what its stack held */
    m.server_address = sealed_address(io->data, m.server_id, m.server_address);
    if (m.type == RAFT_INSTALL_SNAPSHOT)
        return send_snapshot(s, req, &m, cb);
    req->cb = cb;
    if (!s->failed && !s->closing)
        rv = sealed_result(s, s->inner.send(&s->inner, req, &m, cb));
    if (rv == 0) {
        sealed_note_sent(s, &m);
        return 0;
    }
    q = send_new(s, req, m.server_id, cb, &s->unsent);
    if (!q) {
        sealed_fail(s, "out of memory");
        return RAFT_NOMEM;
    }
    q->status = rv;
    return 0;
}
