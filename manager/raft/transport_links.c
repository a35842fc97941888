/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/transport_links.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "basic/cleanup.h"

struct replica_dial {
    struct transport_links *owner; /* NULL: closed meanwhile */
    struct replica_dial *next, **link;
    struct raft_uv_connect *request;
    raft_uv_connect_cb cb;
};

static struct transport_links *links_of(struct raft_uv_transport *t)
{
    return t->impl; /* raft_uv keeps its own in t->data */
}

static void dial_unlink(struct replica_dial *dial)
{
    *dial->link = dial->next;
    if (dial->next)
        dial->next->link = dial->link;
    dial->owner = NULL;
}

static void on_stream_closed(uv_handle_t *handle)
{
    raft_free(handle);
}

/* raft_uv closes the stream and frees it with raft_free. Takes fd on success. */
static int stream_open(uv_loop_t *loop, int fd, struct uv_stream_s **ret)
{
    uv_pipe_t *pipe = raft_malloc(sizeof(*pipe));
    int r;

    if (!pipe)
        return -ENOMEM;
    r = uv_pipe_init(loop, pipe, 0);
    if (r < 0) {
        raft_free(pipe);
        return r;
    }
    r = uv_pipe_open(pipe, fd);
    if (r < 0) {
        uv_close((uv_handle_t *) pipe, on_stream_closed);
        return r;
    }
    *ret = (struct uv_stream_s *) pipe;
    return 0;
}

static int links_init(_unused_ struct raft_uv_transport *t, _unused_ raft_id id, _unused_ const char *address)
{
    return 0;
}

static int links_listen(struct raft_uv_transport *t, raft_uv_accept_cb cb)
{
    links_of(t)->accept = cb;
    return 0;
}

/* After a failure raft_uv asks again when its delay is over. */
static int links_connect(struct raft_uv_transport *t, struct raft_uv_connect *request, raft_id id, const char *address, raft_uv_connect_cb cb)
{
    struct transport_links *l = links_of(t);
    struct replica_dial *dial;

    if (!l->links.dial || (l->wants && !l->wants(l->data, id)))
        return RAFT_NOCONNECTION;
    dial = malloc(sizeof(*dial));
    if (!dial)
        return RAFT_NOMEM;
    *dial = (struct replica_dial) { .owner = l, .next = l->dials, .link = &l->dials, .request = request, .cb = cb };
    if (dial->next)
        dial->next->link = &dial->next;
    l->dials = dial;
    l->links.dial(l->links.data, id, address, dial);
    return 0;
}

void replica_dial_done(struct replica_dial *dial, int fd_or_error)
{
    struct transport_links *l = dial->owner;
    struct raft_uv_connect *request = dial->request;
    raft_uv_connect_cb cb = dial->cb;
    struct uv_stream_s *stream = NULL;
    int r = l ? fd_or_error : -ECANCELED;

    if (l)
        dial_unlink(dial);
    free(dial);
    if (r >= 0)
        r = stream_open(l->loop, fd_or_error, &stream);
    if (r < 0 && fd_or_error >= 0)
        (void) close(fd_or_error);
    if (l)
        cb(request, stream, r < 0 ? RAFT_NOCONNECTION : 0);
}

static void links_close(struct raft_uv_transport *t, raft_uv_transport_close_cb cb)
{
    struct transport_links *l = links_of(t);

    l->accept = NULL;
    while (l->dials) {
        struct replica_dial *dial = l->dials;

        dial_unlink(dial); /* freed when its end is told */
        dial->cb(dial->request, NULL, RAFT_CANCELED);
    }
    cb(t);
}

void transport_links_init(struct transport_links *t, uv_loop_t *loop, const struct replica_links *links)
{
    *t = (struct transport_links) {
        .transport = {
            .version = 1,
            .impl = t,
            .init = links_init,
            .listen = links_listen,
            .connect = links_connect,
            .close = links_close,
        },
        .loop = loop,
        .links = *links,
    };
}

int transport_links_accept(struct transport_links *t, uint64_t id, const char *address, int fd)
{
    struct uv_stream_s *stream;
    int r;

    if (!t->accept)
        return -ENOTCONN;
    r = stream_open(t->loop, fd, &stream);
    if (r < 0)
        return r;
    t->accept(&t->transport, id, address, stream);
    return 0;
}
