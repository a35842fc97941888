/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <uv.h>

#include "basic/error.h"
#include "net/identity.h"
#include "peer/message.h"
#include "peer/table.h"

/* A manager's open port: calls of other nodes and of machines that want to join, and the links of their replicas. Loop's thread. */
struct peer_server;
struct peer_answer;

struct peer_server_config {
    uv_loop_t *loop;
    const char *address; /* host:port to listen on */
    struct identity *identity;
    void *data;
    /* Of a peer with a certificate of this swarm; is_removed: it is to be told so. */
    enum peer_standing (*standing)(void *data, const struct net_peer *peer, bool *ret_removed);
    /* What the table allows. The request lives until this returns; the answer may be given later. peer is without certificate for a join. */
    void (*request)(void *data, const struct net_peer *peer, const Peer__Request *request, struct peer_answer *answer);
    /* A manager's replica has connected; takes fd. */
    void (*linked)(void *data, const struct net_peer *peer, uint64_t raft_id, const char *address, int fd);
    void (*refused)(void *data, const char *address, const char *why);
};

/* -EADDRINUSE, … with a text that names the address. */
int peer_server_new(const struct peer_server_config *config, struct peer_server **ret, struct error *e);
/* For connections from now on. */
void peer_server_set_identity(struct peer_server *s, struct identity *identity);
/* Breaks off the connections of nodes whose standing has sunk since they were made. */
void peer_server_review(struct peer_server *s);
/* Answers that are still open are dropped. */
void peer_server_close(struct peer_server *s, void (*cb)(void *data), void *data);

/* Consumes the answer. */
void peer_answer_send(struct peer_answer *answer, const Peer__Reply *reply);
void peer_answer_error(struct peer_answer *answer, int result, const char *text);
void peer_answer_redirect(struct peer_answer *answer, const char *leader);
void peer_answer_removed(struct peer_answer *answer); /* the node that asks was */
