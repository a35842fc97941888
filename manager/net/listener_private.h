/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "net/listener.h"
#include "net/stream_private.h"

enum guest_state {
    GUEST_HANDSHAKE, /* ours */
    GUEST_ANONYMOUS, /* its owner's; without certificate */
    GUEST_NODE,      /* its owner's */
    GUEST_LEAVING,   /* sent away by a limit, or refused after the handshake */
};

/* One connection, from accept to its end. */
struct guest {
    struct listener *listener;
    struct guest *older, *newer;
    enum guest_state state;
    struct stream *stream;
    uint64_t since; /* when it was let in, on the loop's clock */
    unsigned char source[16];
    char node_id[ID_LEN + 1];
};

/* What a source has begun of late. */
struct allowance {
    unsigned char source[16];
    uint64_t whole; /* when all of it is there again, on the loop's clock */
};

struct listener {
    struct listener_config config;
    struct listener_protocol protocols[LISTENER_PROTOCOLS_MAX];
    char names[LISTENER_PROTOCOLS_MAX][STREAM_PROTOCOL_MAX];
    char address[ADDRESS_NUMERIC_MAX];
    int fd;
    uv_poll_t poll;
    uv_timer_t again; /* accepts on after an error */
    uv_timer_t sweep; /* while there are anonymous guests */
    unsigned handles;
    struct guest *oldest, *newest;
    size_t n_guests, n_handshakes;
    struct allowance allowances[LISTENER_SOURCES_MAX];
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
};

/* ---- listener_guests.c ---- */

/* A connection came; fd is the guest's, also on failure. */
int guest_new(struct listener *l, int fd, const struct sockaddr *address, const unsigned char source[static 16]);
/* It no longer counts; its stream is to be closed next. What is ours of it tells nothing more. */
void guest_dismiss(struct guest *g);
/* Those in their handshake are sent away, the others forgotten: they are their owners'. */
void guests_leave(struct listener *l);
/* Sends away who has been here anonymously for too long, and starts the timer when there are any left. */
void guests_sweep(struct listener *l);

/* ---- listener_limits.c ---- */

/* Whether that source may begin one more handshake now, and counts it. */
bool limits_allow(struct listener *l, const unsigned char source[static 16]);
/* Makes room for one more that begins its handshake from that source. */
void limits_before_handshake(struct listener *l, const unsigned char source[static 16]);
/* Makes room for one who has finished it and becomes this. */
void limits_before_accept(struct listener *l, enum guest_state state, const char *node_id);
/* The address as IPv6, of a real one the first half: who has one address of a /64 has all of it. */
void guest_source(const struct sockaddr *address, unsigned char ret[static 16]);

/* ---- listener.c ---- */

void listener_refused(const struct listener *l, const char *address, const char *why);
/* Frees it when nothing of it is left. */
void listener_release(struct listener *l);
