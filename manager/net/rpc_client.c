/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "net/address.h"
#include "net/rpc_client_private.h"

static int connect_stream(struct rpc_client *c);

static void send_unsent(struct rpc_client *c)
{
    struct call *call;

    while (c->up && (call = calls_first_unsent(c))) {
        if (stream_write(c->stream, call->frame->bytes, call->frame->size) < 0)
            return; /* no room: drained follows; or no connection: closed follows */
        call_sent(c, call);
    }
}

/* ---- the connection ---- */

/* It ends by itself. */
static void drop_connection(struct rpc_client *c)
{
    static const struct stream_events nobody = { 0 };

    if (c->stream) {
        stream_set_events(c->stream, &nobody);
        stream_close(c->stream);
    }
    c->stream = NULL;
    c->up = false;
    frame_reader_done(&c->reader);
}

/* The connection is gone. What was sent is lost; what was not may try another one, unless there was none. */
static void lose(struct rpc_client *c, int result)
{
    bool was_up = c->up, refused = result == -EKEYREJECTED && c->received_at == 0;

    c->stream = NULL;
    c->up = false;
    frame_reader_done(&c->reader);
    for (struct call *call = c->first; call; call = call->next)
        if (refused)
            call->doom = -EKEYREJECTED;
        else if (!call->frame)
            call->doom = -ECONNRESET;
        else if (!was_up)
            call->doom = -EHOSTUNREACH;
    calls_finish_doomed(c);
    if (c->closing || c->stream || !c->first)
        return;
    if (connect_stream(c) < 0) {
        for (struct call *call = c->first; call; call = call->next)
            call->doom = -EHOSTUNREACH;
        calls_finish_doomed(c);
    }
}

static void on_ready(void *data, const struct net_peer *peer, _unused_ const char *protocol)
{
    struct rpc_client *c = data;

    c->peer = *peer;
    c->has_peer = true;
    c->up = true;
    send_unsent(c);
}

static void on_frame(struct rpc_client *c, const struct frame *frame)
{
    struct call *call = calls_sent_as(c, frame->id);
    _cleanup_(frame_reader_done) struct frame_reader taken = c->reader; /* the callback may close the client */

    c->reader = (struct frame_reader) { 0 };
    if (call) /* else its time was over */
        call_finish(c, call, 0, frame->payload, frame->size);
}

static void on_nonsense(struct rpc_client *c)
{
    drop_connection(c);
    (void) snprintf(c->why, sizeof(c->why), "%s: its answer is not of the form that was agreed on", c->address);
    lose(c, -ECONNRESET);
}

static void on_received(void *data, const void *bytes, size_t size)
{
    struct rpc_client *c = data;
    struct stream *s = c->stream;
    const unsigned char *p = bytes;

    c->received_at = uv_now(c->loop);
    while (size > 0 && c->stream == s) { /* a callback may have dropped it */
        struct frame frame;
        size_t used;
        int r = frame_read(&c->reader, p, size, &used, &frame);

        if (r < 0 || (r > 0 && frame.kind != FRAME_REPLY)) {
            on_nonsense(c);
            return;
        }
        p += used;
        size -= used;
        if (r > 0)
            on_frame(c, &frame);
    }
}

static void on_drained(void *data)
{
    send_unsent(data);
}

static void on_closed(void *data, int result, const char *why)
{
    struct rpc_client *c = data;

    (void) snprintf(c->why, sizeof(c->why), "%s", why);
    lose(c, result);
}

static int connect_stream(struct rpc_client *c)
{
    const struct stream_events events = {
        .data = c,
        .ready = on_ready,
        .received = on_received,
        .drained = on_drained,
        .closed = on_closed,
    };
    const char *node_id = c->node_id[0] ? c->node_id : NULL;

    c->received_at = 0;
    return stream_connect(c->loop, c->identity, c->address, c->protocol, node_id, &events, &c->stream);
}

/* ---- time ---- */

static void on_time(uv_timer_t *timer);

static void set_timer(struct rpc_client *c)
{
    uint64_t next = calls_next_deadline(c), now = uv_now(c->loop);

    if (next == 0)
        (void) uv_timer_stop(&c->timer);
    else
        (void) uv_timer_start(&c->timer, on_time, next > now ? next - now : 0, 0);
}

static void time_out(struct rpc_client *c, struct call *call)
{
    bool sent = !call->frame, silent = sent && c->received_at < call->sent_at;
    const char *what = sent ? "no answer in time" : c->up ? "it takes no more calls" : "no connection in time";

    (void) snprintf(c->why, sizeof(c->why), "%s: %s", c->address, what);
    /* Nobody else waits, and there is no sign that the other end lives: the next call had better find out by a new connection. */
    if (silent && c->n_calls == 1)
        drop_connection(c);
    call_finish(c, call, -ETIMEDOUT, NULL, 0);
}

static void on_time(uv_timer_t *timer)
{
    struct rpc_client *c = timer->data;
    struct call *call;

    while ((call = calls_first_late(c)))
        time_out(c, call);
    if (!c->closing)
        set_timer(c);
}

/* ---- interface ---- */

int rpc_client_new(uv_loop_t *loop, struct identity *i, const char *protocol, const char *address, const char *node_id,
                   struct rpc_client **ret)
{
    char host[ADDRESS_HOST_MAX], port[6];
    struct rpc_client *c;

    if (address_split(address, host, port) < 0 || strlen(address) >= sizeof(c->address) || strlen(protocol) >= sizeof(c->protocol) ||
        protocol[0] == '\0' || (node_id && strlen(node_id) != ID_LEN))
        return -EINVAL;
    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->loop = loop;
    c->identity = identity_ref(i);
    (void) strcpy(c->address, address);
    (void) strcpy(c->protocol, protocol);
    if (node_id)
        (void) strcpy(c->node_id, node_id);
    c->last = &c->first;
    (void) uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    *ret = c;
    return 0;
}

int rpc_call(struct rpc_client *c, const void *payload, size_t size, unsigned timeout_ms, rpc_cb cb, void *data)
{
    struct call *call;
    int r;

    if (c->closing)
        return -ECANCELED;
    if (size > RPC_PAYLOAD_MAX)
        return -EMSGSIZE;
    if (c->n_calls >= RPC_CALLS_MAX || c->queued + FRAME_HEAD + size > RPC_QUEUED_MAX)
        return -EAGAIN;
    if (!c->stream) {
        r = connect_stream(c);
        if (r < 0)
            return r;
    }
    r = call_new(c, payload, size, timeout_ms, &call);
    if (r < 0)
        return r;
    call->cb = cb;
    call->data = data;
    send_unsent(c);
    set_timer(c);
    return 0;
}

const struct net_peer *rpc_client_peer(const struct rpc_client *c)
{
    return c->has_peer ? &c->peer : NULL;
}

const char *rpc_client_why(const struct rpc_client *c)
{
    return c->why;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct rpc_client *c = handle->data;

    (void) identity_unref(c->identity);
    free(c);
}

void rpc_client_close(struct rpc_client *c)
{
    if (!c || c->closing)
        return;
    c->closing = true;
    drop_connection(c);
    while (c->first)
        call_finish(c, c->first, -ECANCELED, NULL, 0);
    uv_close((uv_handle_t *) &c->timer, on_timer_closed);
}
