/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/frame.h"
#include "net/rpc.h"
#include "net/rpc_frame.h"

#define WHY_MAX 512

struct call {
    struct call *next;
    uint64_t id, sent_at, deadline; /* on the loop's clock; no deadline: 0 */
    struct rpc_frame *frame;        /* NULL: sent */
    int doom;                       /* its result, when it is known that there will be no answer */
    rpc_cb cb;
    void *data;
};

struct rpc_client {
    uv_loop_t *loop;
    struct identity *identity;
    char address[STREAM_ADDRESS_MAX], protocol[STREAM_PROTOCOL_MAX], node_id[ID_LEN + 1];
    struct stream *stream; /* NULL: no connection, and none being made */
    bool up, closing, has_peer;
    uint64_t received_at; /* on this connection; 0: never */
    struct frame_reader reader;
    struct call *first, **last; /* in the order in which they were made */
    size_t n_calls, queued;
    uint64_t last_id;
    uv_timer_t timer; /* for the next deadline */
    struct net_peer peer;
    char why[WHY_MAX];
};

/* ---- rpc_client_calls.c ---- */

/* A new one at the end of the list. -EMSGSIZE, -ENOMEM. */
int call_new(struct rpc_client *c, const void *payload, size_t size, unsigned timeout_ms, struct call **ret);
/* Takes it off the list and tells its result. The callback may do anything with the client but free it: that waits for the loop. */
void call_finish(struct rpc_client *c, struct call *call, int result, const void *reply, size_t size);
/* It was sent. */
void call_sent(struct rpc_client *c, struct call *call);
/* All whose doom is set. */
void calls_finish_doomed(struct rpc_client *c);

/* The first one, or NULL: */
struct call *calls_first_unsent(struct rpc_client *c);
struct call *calls_first_late(struct rpc_client *c);
struct call *calls_sent_as(struct rpc_client *c, uint64_t id);

/* The earliest deadline, 0: none. */
uint64_t calls_next_deadline(const struct rpc_client *c);
