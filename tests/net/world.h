/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/identity.h"
#include "net/listener.h"
#include "net/rpc.h"
#include "net/stream.h"
#include "pki/ca.h"

/* Swarms with real certificates, and a listener on 127.0.0.1 that echoes. */

#define DAY (24 * 3600)

struct swarm_ca {
    char id[ID_LEN + 1];
    struct secret key;
    char *pem;
};

void swarm_ca_new(struct swarm_ca *c);
void swarm_ca_done(struct swarm_ca *c);
void swarm_ca_digest(const struct swarm_ca *c, unsigned char ret[static 32]);

/* A node with a certificate issued that many seconds from now; ret_id may be NULL. The chain that it sends ends with the root. */
struct identity *node_new(const struct swarm_ca *c, const char *role, int64_t from_now, char *ret_id);
/* Likewise, with a certificate whose subject names another swarm, signed by c's key all the same. */
struct identity *node_of_other_swarm(const struct swarm_ca *c, const char *swarm_id);
struct identity *pinned_new(const struct swarm_ca *c);

/* A server with protocols that need a certificate and such that do not: "echo/1" and "open/1" give back what they get, "call/1" and
 * "ask/1" answer calls. */
struct server {
    uv_loop_t *loop;
    struct listener *listener;
    bool forbids;     /* allows says no */
    unsigned n_accepted, n_refused, n_closed, n_requests, n_rpc_closed, n_offences;
    struct net_peer peer; /* of the last one accepted */
    struct stream *last;  /* that echoes */
    char why[512], refused_address[80];
    /* Calls: requests that begin with "later" are kept until server_answer, "close" closes, "big" is answered with RPC_PAYLOAD_MAX bytes,
     * "too big" with one more, "answer+close" closes after it; anything else comes back as it is. */
    struct rpc_reply *later[1024];
    size_t n_later;
    bool closed;
};

void server_start(struct server *s, uv_loop_t *loop, struct identity *i, const char *address);
void server_start_limited(struct server *s, uv_loop_t *loop, struct identity *i, const char *address, unsigned handshakes_per_second);
/* Until it is gone. */
void server_stop(struct server *s);
/* Answers all that is kept, the newest first. Returns how many callers were there no longer. */
unsigned server_answer(struct server *s);

/* A client's end of a stream. */
struct client {
    struct stream *stream;
    bool ready, closed;
    int result;
    char why[512], protocol[32];
    struct net_peer peer;
    unsigned char bytes[256];
    size_t n, total;
    uint64_t check; /* a sum over what was received */
    unsigned drained;
};

extern const struct stream_events client_events; /* data is to be set */
void client_connect(struct client *c, uv_loop_t *loop, struct identity *i, const char *address, const char *protocol, const char *node_id);
/* Closes it and waits. */
void client_done(struct client *c, uv_loop_t *loop);
/* The connection's fate: 0 when it came up and an echo came back, else the result with which it was closed. Waits for its end. */
int client_try(uv_loop_t *loop, struct identity *i, const char *address, const char *protocol, const char *node_id, struct client *ret);

/* A call's fate. */
struct outcome {
    bool done;
    int result;
    size_t size;
    unsigned char first[64];
    uint64_t check;
};

void on_outcome(void *data, int result, const void *reply, size_t size); /* an rpc_cb */
uint64_t sum(uint64_t check, const void *bytes, size_t size);

/* Turns the loop until *flag, for 20 seconds at most. */
void turn_until(uv_loop_t *loop, const bool *flag);
/* Until *value is at least least. */
void turn_until_count(uv_loop_t *loop, const unsigned *value, unsigned least);
void turn_for(uv_loop_t *loop, unsigned ms);
/* Turns until nothing is left, and closes: fails when something is. */
void loop_done(uv_loop_t *loop);

/* A blocking TCP connection to it. */
int connect_plain(const char *address);
