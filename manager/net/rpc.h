/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <uv.h>

#include "net/identity.h"
#include "net/stream.h"

/* Calls over a stream: a request, and some time later its reply. Any number run at once, replies come in any order. Frames: net/frame.h.
 * Payloads may be secret: every copy made here is erased. What a payload means is the owners' business; it may be empty. */

#define RPC_PAYLOAD_MAX (2U * 1024 * 1024)
#define RPC_ANONYMOUS_MAX (64U * 1024)  /* of requests by peers without certificate */
#define RPC_IN_FLIGHT_MAX 64            /* a server reads no further with so many requests unanswered */
#define RPC_CALLS_MAX 256               /* a client's calls without result */
#define RPC_QUEUED_MAX (32U * 1024 * 1024) /* a client's requests not yet sent, in bytes */

/* ---- client ---- */

/* Calls to one address. Connects when there is a call and no connection; keeps one connection, and makes a new one at the next call after
 * it broke. Nothing is sent twice. */
struct rpc_client;

/* As stream_connect. -EINVAL, -ENOMEM. */
int rpc_client_new(uv_loop_t *loop, struct identity *i, const char *protocol, const char *address, const char *node_id,
                   struct rpc_client **ret);

/* result:
 * 0             reply and size are the answer, until the callback returns; erased afterwards
 * -ETIMEDOUT    no answer in time; whether it arrived is unknown
 * -EHOSTUNREACH never sent: no connection
 * -ECONNRESET   sent, and the connection broke before the answer
 * -EKEYREJECTED one of us refuses the other's certificate; the request was not read
 * -ECANCELED    rpc_client_close
 * For the others rpc_client_why() says more. */
typedef void (*rpc_cb)(void *data, int result, const void *reply, size_t size);

/* payload is copied. timeout_ms counts from now, connecting included; 0 is none. cb once, later, from the loop, or with -ECANCELED from
 * within rpc_client_close; rpc_call and rpc_client_close may be called from within it. On failure cb is not called: -EMSGSIZE, -EAGAIN
 * over RPC_CALLS_MAX or RPC_QUEUED_MAX, -ECANCELED after rpc_client_close, -ENOMEM. */
int rpc_call(struct rpc_client *c, const void *payload, size_t size, unsigned timeout_ms, rpc_cb cb, void *data);

/* Of the last connection that came up; NULL before the first one. */
const struct net_peer *rpc_client_peer(const struct rpc_client *c);

/* Of the last failure, for people: "m2:2377: its certificate has expired". "" before the first one. */
const char *rpc_client_why(const struct rpc_client *c);

/* Pending calls get -ECANCELED from within; then frees itself on the loop. NULL is allowed. */
void rpc_client_close(struct rpc_client *c);

/* ---- server ---- */

struct rpc_server; /* one connection */
struct rpc_reply;  /* what one request waits for */

struct rpc_server_events {
    void *data;
    /* Each reply must be given to rpc_reply_send once, from within or any time later, also when the connection or the listener has gone.
     * payload is erased after the callback. */
    void (*request)(void *data, const struct net_peer *peer, const void *payload, size_t size, struct rpc_reply *reply);
    /* Once, from the loop; the server is gone afterwards, replies that it still owes are not. offence: what the client did that it was
     * cut off for, for people; NULL when it did nothing wrong. NULL is allowed. */
    void (*closed)(void *data, struct rpc_server *server, const char *offence);
};

/* Takes the stream, on success only. For listener_protocol.accepted. -ENOMEM. */
int rpc_serve(struct stream *s, const struct rpc_server_events *events, struct rpc_server **ret);

/* Consumes reply, whatever it returns. payload is copied. -ENOTCONN the connection has gone: harmless. -EMSGSIZE over RPC_PAYLOAD_MAX, and
 * -ENOMEM: the connection is closed, so that the caller learns at once that there is no answer. */
int rpc_reply_send(struct rpc_reply *reply, const void *payload, size_t size);

/* Lives as long as the server. */
const struct net_peer *rpc_server_peer(const struct rpc_server *s);

/* No request comes from now on. Answers given before are still sent (stream_close). closed follows from the loop. */
void rpc_server_close(struct rpc_server *s);
