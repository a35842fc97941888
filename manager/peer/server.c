/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/listener.h"
#include "net/rpc.h"
#include "peer/link.h"
#include "store/erasing_allocator.h"

#define HANDSHAKES_PER_SECOND 32

struct connection {
    struct peer_server *server;
    struct connection *next, **link;
    struct rpc_server *rpc;
    const char *protocol;
};

struct peer_server {
    struct peer_server_config config;
    struct listener *listener;
    struct connection *connections;
    struct link_list links;
    void (*closed)(void *data);
    void *closed_data;
};

struct peer_answer {
    struct rpc_reply *reply;
};

void peer_answer_send(struct peer_answer *answer, const Peer__Reply *reply)
{
    static const Peer__Reply no_memory = { PROTOBUF_C_MESSAGE_INIT(&peer__reply__descriptor), -ENOMEM, (char *) "out of memory",
                                           (char *) protobuf_c_empty_string, 0, PEER__REPLY__WHAT__NOT_SET, { NULL } };
    void *payload = NULL;
    size_t size = 0;

    if (peer_reply_encode(reply, &payload, &size) < 0)
        (void) peer_reply_encode(&no_memory, &payload, &size);
    (void) rpc_reply_send(answer->reply, payload, size);
    erasing_free(payload);
    free(answer);
}

void peer_answer_error(struct peer_answer *answer, int result, const char *text)
{
    Peer__Reply reply = PEER__REPLY__INIT;

    reply.result = result;
    reply.text = (char *) text;
    peer_answer_send(answer, &reply);
}

void peer_answer_redirect(struct peer_answer *answer, const char *leader)
{
    Peer__Reply reply = PEER__REPLY__INIT;

    reply.redirect = (char *) leader;
    peer_answer_send(answer, &reply);
}

void peer_answer_removed(struct peer_answer *answer)
{
    Peer__Reply reply = PEER__REPLY__INIT;

    reply.result = -EKEYREVOKED;
    reply.text = (char *) "this node was removed from the swarm";
    reply.removed = true;
    peer_answer_send(answer, &reply);
}

static enum peer_standing standing_of(struct peer_server *s, const char *protocol, const struct net_peer *peer, bool *ret_removed)
{
    *ret_removed = false;
    if (!peer->has_certificate || strcmp(protocol, PEER_PROTOCOL_JOIN) == 0)
        return PEER_STRANGER;
    return s->config.standing(s->config.data, peer, ret_removed);
}

static void refuse_request(struct peer_server *s, const struct net_peer *peer, struct peer_answer *answer)
{
    char why[96];

    (void) snprintf(why, sizeof(why), "%s %s asked what it may not", peer->has_certificate ? "node" : "a stranger", peer->node_id);
    s->config.refused(s->config.data, peer->address, why);
    peer_answer_error(answer, -EACCES, "this node may not ask that");
}

static void dispatch(struct connection *c, const struct net_peer *peer, const Peer__Request *request, struct peer_answer *answer)
{
    struct peer_server *s = c->server;
    bool removed;
    enum peer_standing standing = standing_of(s, c->protocol, peer, &removed);

    if (removed)
        peer_answer_removed(answer);
    else if (!peer_may(c->protocol, standing, request->what_case))
        refuse_request(s, peer, answer);
    else
        s->config.request(s->config.data, peer, request, answer);
}

static void on_request(void *data, const struct net_peer *peer, const void *payload, size_t size, struct rpc_reply *reply)
{
    _cleanup_(peer_request_freep) Peer__Request *request = NULL;
    struct connection *c = data;
    struct peer_answer *answer = calloc(1, sizeof(*answer));
    int r;

    if (!answer) {
        (void) rpc_reply_send(reply, "", 0);
        return;
    }
    answer->reply = reply;
    r = peer_request_decode(payload, size, &request);
    if (r < 0)
        peer_answer_error(answer, r, r == -EPROTONOSUPPORT ? "the request is of a newer version: upgrade this manager first"
                                                           : "the request is not understood");
    else
        dispatch(c, peer, request, answer);
}

static void detach(struct connection *c)
{
    if (!c->link)
        return;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->link = NULL;
}

static void on_rpc_closed(void *data, struct rpc_server *rpc, const char *offence)
{
    struct connection *c = data;

    if (offence)
        c->server->config.refused(c->server->config.data, rpc_server_peer(rpc)->address, offence);
    detach(c);
    free(c);
}

static void serve(struct peer_server *s, struct stream *stream, const char *protocol)
{
    struct connection *c = calloc(1, sizeof(*c));
    const struct rpc_server_events events = { .data = c, .request = on_request, .closed = on_rpc_closed };

    if (!c) {
        stream_close(stream);
        return;
    }
    c->server = s;
    c->protocol = protocol;
    c->next = s->connections;
    c->link = &s->connections;
    if (c->next)
        c->next->link = &c->next;
    s->connections = c;
    if (rpc_serve(stream, &events, &c->rpc) < 0) {
        stream_close(stream);
        on_rpc_closed(c, NULL, NULL);
    }
}

static void on_join(void *data, struct stream *stream, const struct net_peer *peer _unused_)
{
    serve(data, stream, PEER_PROTOCOL_JOIN);
}

static void on_call(void *data, struct stream *stream, const struct net_peer *peer _unused_)
{
    serve(data, stream, PEER_PROTOCOL_CALL);
}

static void on_linked(void *data, int fd, const struct net_peer *peer, uint64_t raft_id, const char *address)
{
    struct peer_server *s = data;

    s->config.linked(s->config.data, peer, raft_id, address, fd);
}

static void on_raft(void *data, struct stream *stream, const struct net_peer *peer _unused_)
{
    struct peer_server *s = data;

    (void) link_accept(&s->links, s->config.loop, stream, on_linked, s);
}

static const struct listener_protocol protocols[] = {
    { PEER_PROTOCOL_CALL, true, on_call },
    { PEER_PROTOCOL_RAFT, true, on_raft },
    { PEER_PROTOCOL_JOIN, false, on_join },
};

static bool may_link(void *data, const struct net_peer *peer)
{
    struct peer_server *s = data;
    bool removed;

    return standing_of(s, PEER_PROTOCOL_RAFT, peer, &removed) >= PEER_LEAVING && !removed;
}

/* Who was removed may call: to be told so. */
static bool on_allows(void *data, const struct net_peer *peer, const char *protocol)
{
    return strcmp(protocol, PEER_PROTOCOL_RAFT) != 0 || may_link(data, peer);
}

static void on_refused(void *data, const char *address, const char *why)
{
    struct peer_server *s = data;

    s->config.refused(s->config.data, address, why);
}

int peer_server_new(const struct peer_server_config *config, struct peer_server **ret, struct error *e)
{
    struct listener_config listener = {
        .loop = config->loop,
        .address = config->address,
        .identity = config->identity,
        .protocols = protocols,
        .n_protocols = ELEMENTSOF(protocols),
        .handshakes_per_second = HANDSHAKES_PER_SECOND,
        .allows = on_allows,
        .refused = on_refused,
    };
    struct peer_server *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return error_set(e, -ENOMEM, "out of memory");
    s->config = *config;
    listener.data = s;
    r = listener_new(&listener, &s->listener, e);
    if (r < 0) {
        free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void peer_server_set_identity(struct peer_server *s, struct identity *identity)
{
    listener_set_identity(s->listener, identity);
}

void peer_server_review(struct peer_server *s)
{
    link_list_review(&s->links, may_link, s);
}

static void on_listener_closed(void *data)
{
    struct peer_server *s = data;
    void (*cb)(void *) = s->closed;
    void *cb_data = s->closed_data;

    free(s);
    cb(cb_data);
}

void peer_server_close(struct peer_server *s, void (*cb)(void *data), void *data)
{
    s->closed = cb;
    s->closed_data = data;
    link_list_review(&s->links, NULL, NULL);
    while (s->connections) {
        struct connection *c = s->connections;

        detach(c);
        rpc_server_close(c->rpc);
    }
    listener_close(s->listener, on_listener_closed, s);
}
