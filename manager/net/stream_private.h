/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/address.h"
#include "net/dial.h"
#include "net/stream.h"
#include "net/tls.h"

enum stream_state {
    STREAM_DIALING,
    STREAM_HANDSHAKE,
    STREAM_UP,
    STREAM_LINGERING, /* the end is known: what is written is still sent, what comes is dropped */
    STREAM_GONE,      /* handles are being closed */
};

struct stream {
    uv_loop_t *loop;
    struct stream_events events;
    enum stream_state state;
    struct identity *identity;
    char address[STREAM_ADDRESS_MAX], protocol[STREAM_PROTOCOL_MAX], node_id[ID_LEN + 1];
    struct dial *dial;
    uv_tcp_t *tcp;
    struct tls *tls;
    unsigned handles; /* of the stream's own, open or closing */

    uv_timer_t deadline; /* of the set-up; of a stall; of lingering */
    uv_timer_t wake;     /* reads on after stream_resume */

    bool ready, paused, received_any;
    unsigned char *held; /* by stream_unread */
    size_t n_held;

    uv_write_t write;
    unsigned char *chunk; /* of what is being written */
    bool writing, mute, finishing, peer_finished;
    uv_shutdown_t shutdown;

    int result;
    char why[TLS_WHY_MAX];

    /* The listener's: told just after events.closed. */
    void (*gone)(void *data);
    void *gone_data;
};

/* A connection that was accepted; fd is the stream's, also on failure. events.ready comes as for stream_connect's. rules: for tls_new, what
 * it points to must live until ready or closed. */
int stream_accept(uv_loop_t *loop, struct identity *i, int fd, const struct sockaddr *address, const struct tls_config *rules,
                  const struct stream_events *events, struct stream **ret);

/* Ends at once, without goodbye: closed comes with this result. */
void stream_abort(struct stream *s, int result, const char *why);

/* ---- stream_end.c ---- */

/* The stream ends with this result. clean: what is written is still sent, and the peer may finish. Idempotent. */
void stream_end(struct stream *s, bool clean, int result, const char *why);
/* While lingering: the next step, or the end. */
void stream_linger(struct stream *s);

/* ---- stream_write.c ---- */

/* Sends what TLS has for the peer. */
void stream_flush(struct stream *s);
/* Sets or stops the clock by which a peer that takes nothing is noticed. */
void stream_watch_stall(struct stream *s);

/* ---- stream_read.c ---- */

/* Reads as long as the state and the owner want it. */
void stream_read(struct stream *s);
void stream_read_stop(struct stream *s);

/* ---- stream.c ---- */

/* Takes the connected tcp and begins the handshake. */
int stream_begin(struct stream *s, uv_tcp_t *tcp, const struct tls_config *rules);
