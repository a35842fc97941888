/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "net/rpc.h"
#include "net/rpc_frame.h"

struct rpc_reply {
    struct rpc_server *server; /* NULL: gone */
    struct rpc_reply *next, **link;
    uint64_t id;
};

struct rpc_server {
    struct stream *stream;
    struct rpc_server_events events;
    struct frame_reader reader;
    struct rpc_reply *owed;
    struct rpc_frame *first, **last; /* answers for which the stream had no room */
    unsigned in_flight;              /* requests whose answers the stream has not taken */
    const char *offence;
    bool closing, full;
};

static void forget(struct rpc_reply *reply)
{
    *reply->link = reply->next;
    if (reply->next)
        reply->next->link = reply->link;
    reply->server = NULL;
}

static struct rpc_reply *owe(struct rpc_server *s, uint64_t id)
{
    struct rpc_reply *reply = calloc(1, sizeof(*reply));

    if (!reply)
        return NULL;
    reply->server = s;
    reply->id = id;
    reply->next = s->owed;
    reply->link = &s->owed;
    if (s->owed)
        s->owed->link = &reply->next;
    s->owed = reply;
    s->in_flight++;
    return reply;
}

static void cut_off(struct rpc_server *s)
{
    s->offence = "it sends what is no request";
    rpc_server_close(s);
}

static void on_request(struct rpc_server *s, const struct frame *frame)
{
    struct rpc_reply *reply = frame->kind == FRAME_REQUEST ? owe(s, frame->id) : NULL;

    if (reply)
        s->events.request(s->events.data, stream_peer(s->stream), frame->payload, frame->size, reply);
    else if (frame->kind == FRAME_REQUEST)
        rpc_server_close(s); /* out of memory */
    else
        cut_off(s);
    frame_reader_done(&s->reader);
}

static void on_received(void *data, const void *bytes, size_t size)
{
    struct rpc_server *s = data;
    const unsigned char *p = bytes;

    while (size > 0 && !s->closing) {
        struct frame frame;
        size_t used;
        int r;

        if (s->in_flight >= RPC_IN_FLIGHT_MAX) {
            s->full = true;
            (void) stream_unread(s->stream, p, size);
            return;
        }
        r = frame_read(&s->reader, p, size, &used, &frame);
        if (r == -ENOMEM)
            rpc_server_close(s);
        else if (r < 0)
            cut_off(s);
        if (r < 0)
            return;
        p += used;
        size -= used;
        if (r > 0)
            on_request(s, &frame);
    }
}

static void taken(struct rpc_server *s)
{
    s->in_flight--;
    if (s->full && s->in_flight < RPC_IN_FLIGHT_MAX) {
        s->full = false;
        stream_resume(s->stream);
    }
}

static void send_queued(struct rpc_server *s)
{
    while (s->first) {
        struct rpc_frame *frame = s->first;

        if (stream_write(s->stream, frame->bytes, frame->size) < 0)
            return; /* no room still, or no connection: closed follows */
        s->first = frame->next;
        if (!s->first)
            s->last = &s->first;
        rpc_frame_free(frame);
        taken(s);
    }
}

static void on_drained(void *data)
{
    send_queued(data);
}

static void on_closed(void *data, int result, _unused_ const char *why)
{
    struct rpc_server *s = data;

    if (result == -ETIMEDOUT)
        s->offence = "it takes nothing that is sent to it";
    while (s->owed)
        forget(s->owed);
    while (s->first) {
        struct rpc_frame *frame = s->first;

        s->first = frame->next;
        rpc_frame_free(frame);
    }
    frame_reader_done(&s->reader);
    if (s->events.closed)
        s->events.closed(s->events.data, s, s->offence);
    free(s);
}

int rpc_serve(struct stream *s, const struct rpc_server_events *events, struct rpc_server **ret)
{
    struct rpc_server *server = calloc(1, sizeof(*server));
    const struct stream_events own = { .data = server, .received = on_received, .drained = on_drained, .closed = on_closed };

    if (!server)
        return -ENOMEM;
    server->stream = s;
    server->events = *events;
    server->last = &server->first;
    server->reader.max = stream_peer(s)->has_certificate ? RPC_PAYLOAD_MAX : RPC_ANONYMOUS_MAX;
    stream_set_events(s, &own);
    *ret = server;
    return 0;
}

static int answer(struct rpc_server *s, uint64_t id, const void *payload, size_t size)
{
    struct rpc_frame *frame;
    int r = rpc_frame_new(FRAME_REPLY, id, payload, size, &frame);

    if (r < 0) {
        rpc_server_close(s);
        return r;
    }
    *s->last = frame;
    s->last = &frame->next;
    send_queued(s);
    return 0;
}

int rpc_reply_send(struct rpc_reply *reply, const void *payload, size_t size)
{
    struct rpc_server *s = reply->server;
    int r = -ENOTCONN;

    if (s) {
        forget(reply);
        if (!s->closing)
            r = answer(s, reply->id, payload, size);
    }
    free(reply);
    return r;
}

const struct net_peer *rpc_server_peer(const struct rpc_server *s)
{
    return stream_peer(s->stream);
}

void rpc_server_close(struct rpc_server *s)
{
    s->closing = true;
    stream_close(s->stream);
}
