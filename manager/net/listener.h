/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "net/identity.h"
#include "net/stream.h"

/* Accepts TLS connections on one address and tells the protocols apart that run there. */

/* Connections in their handshake. The oldest goes when one too many comes, of the same source address first: who is being served now is not
 * shut out by others that only hold connections. An IPv6 source is its /64. */
#define LISTENER_HANDSHAKES_MAX 128
#define LISTENER_PER_ADDRESS_MAX 64
/* Handshakes that one source may begin when it did nothing for a while; then so many per second as the configuration says. One too many is
 * closed at once: a handshake costs the manager more than whoever asks for it. So many sources are remembered. */
#define LISTENER_BURST 128
#define LISTENER_SOURCES_MAX 64
/* All connections: one too many is closed at once. */
#define LISTENER_STREAMS_MAX 1024
/* Of them accepted ones of peers without certificate, whose oldest goes; each is closed when this time has passed. */
#define LISTENER_ANONYMOUS_MAX 64
#define LISTENER_ANONYMOUS_SECONDS 60
/* Of them accepted ones of a single node, whose oldest goes. */
#define LISTENER_PER_NODE_MAX 64
#define LISTENER_PROTOCOLS_MAX 8

struct listener;

struct listener_protocol {
    const char *name; /* what ALPN says; at most STREAM_PROTOCOL_MAX - 1 bytes */
    bool needs_certificate;
    /* Takes the stream: must call stream_set_events before it returns (or functions that do, as rpc_serve does), else it is closed. Nothing
     * is received before it has returned. peer lives as long as the stream. */
    void (*accepted)(void *data, struct stream *s, const struct net_peer *peer);
};

struct listener_config {
    uv_loop_t *loop;
    const char *address; /* "host:port"; port 0: any that is free. "[::]" is IPv4 too. A name is resolved at once: the loop waits. */
    struct identity *identity; /* not a pinned one */
    const struct listener_protocol *protocols; /* copied, with the names */
    size_t n_protocols;
    unsigned handshakes_per_second; /* of one source; 1 to 1000, or 0: any number */
    /* Whether this peer may come in by that protocol; before accepted, once. With a certificate it is asked within the handshake, when the
     * certificate has been verified and that the peer has its key not yet, so that a refused peer is told by a TLS alert, which it sees as
     * -EKEYREJECTED; it must only answer. NULL: all may. */
    bool (*allows)(void *data, const struct net_peer *peer, const char *protocol);
    /* Somebody was not let in, and why, without the address, which is numeric. For the journal; NULL is allowed. Not rate-limited; it
     * must only take note. Not told of those that give up before they have sent anything, nor after listener_close. */
    void (*refused)(void *data, const char *address, const char *why);
    void *data;
};

/* -EINVAL the address or a protocol has no valid form, -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, …: as the kernel says; -ENOMEM. When
 * descriptors run out later, accepting pauses for a moment each time. */
int listener_new(const struct listener_config *config, struct listener **ret, struct error *e);

/* Where it listens, numeric, with the port that it got. */
const char *listener_address(const struct listener *l);

/* For connections from now on. */
void listener_set_identity(struct listener *l, struct identity *i);

/* Stops listening, and closes the connections that are in their handshake; accepted ones are their owners' and stay. cb (NULL is allowed)
 * later, from the loop: from then on no callback comes, and the listener is gone. */
void listener_close(struct listener *l, void (*cb)(void *data), void *data);
