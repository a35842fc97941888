/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <uv.h>

#include "net/identity.h"

/* One TLS 1.3 connection on a loop. All calls and callbacks are on the loop's thread.
 *
 * Callbacks come from the loop only, never from within a call of this header; any of these calls may be made from within any callback but
 * closed. Names are resolved by uv_getaddrinfo, numbers without; every address that a name has is tried in turn. */

#define STREAM_SETUP_SECONDS 10  /* resolving, connecting and the handshake in all */
#define STREAM_STALL_SECONDS 30  /* with data waiting to be written, in which the peer has not taken 64 KiB or all of it: closed */
#define STREAM_LINGER_SECONDS 1  /* for what is still to be written, and the peer's end, after stream_close */
#define STREAM_PENDING_MAX (4U * 1024 * 1024)
#define STREAM_RECEIVED_MAX (16U * 1024)
#define STREAM_ADDRESS_MAX 280   /* with the final 0 */
#define STREAM_PROTOCOL_MAX 32

struct stream;

struct stream_events {
    void *data;
    /* The handshake is done; peer and protocol live as long as the stream. Of streams that stream_connect made only. A server may still
     * refuse our certificate: that is seen as closed with -EKEYREJECTED before anything was received. */
    void (*ready)(void *data, const struct net_peer *peer, const char *protocol);
    /* 1 to STREAM_RECEIVED_MAX bytes, erased after the callback. */
    void (*received)(void *data, const void *bytes, size_t size);
    /* All that was given to stream_write has been handed to the kernel. NULL is allowed. */
    void (*drained)(void *data);
    /* Once, also after stream_close; the stream is gone afterwards. why is for people, begins with the peer's address as it was given, and
     * is "" where result is 0. result:
     * 0             stream_close
     * -EHOSTUNREACH it cannot be resolved or connected to, or did not finish the handshake in time
     * -EKEYREJECTED one of us refuses the other's certificate
     * -EPROTO       the peer does not speak TLS 1.3 or not this protocol, or broke TLS' rules
     * -ECONNRESET   the peer has closed the connection, cleanly or not
     * -ETIMEDOUT    it stalled
     * -ENOMEM */
    void (*closed)(void *data, int result, const char *why);
};

/* Connects to address ("host:port", "[::1]:2377"). node_id: whose certificate it must be; NULL for any node of the swarm. The texts are
 * copied. Everything else that fails comes by closed. -EINVAL address, protocol or node_id has no valid form, -ENOMEM. */
int stream_connect(uv_loop_t *loop, struct identity *i, const char *address, const char *protocol, const char *node_id,
                   const struct stream_events *events, struct stream **ret);

/* Encrypts and sends all or nothing; bytes are the caller's again at once. -EAGAIN when more than STREAM_PENDING_MAX bytes would wait: try
 * again after drained; -EMSGSIZE when size is over STREAM_PENDING_MAX; -ENOTCONN before ready and from stream_close or the end on;
 * -ENOMEM. */
int stream_write(struct stream *s, const void *bytes, size_t size);

/* How many bytes wait to be handed to the kernel, TLS's own included. */
size_t stream_pending(const struct stream *s);

/* From stream_pause (which may be called before ready) to stream_resume received is not called and nothing is read from the connection, so
 * that the kernel slows the peer down; the connection's end is not noticed either. They do not count: one resume undoes any pauses. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* From within received only: gives back the last size bytes of what it got, and pauses. They come again first after stream_resume. For
 * whoever can pass on a part only. -ENOMEM: the stream is closing with that result. */
int stream_unread(struct stream *s, const void *bytes, size_t size);

/* Hands the stream to another owner, after ready. */
void stream_set_events(struct stream *s, const struct stream_events *events);

/* NULL before ready. */
const struct net_peer *stream_peer(const struct stream *s);
const char *stream_protocol(const struct stream *s);

/* No callback but closed comes from now on. What was written, and TLS's close_notify, is still sent as far as the peer takes it within
 * STREAM_LINGER_SECONDS. Calling it again does nothing. */
void stream_close(struct stream *s);
