/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/identity.h"

/* One end of a TLS connection, without a network: bytes from the peer go in, bytes for the peer come out. */

#define TLS_PROTOCOL_MAX 32 /* with the final 0 */
#define TLS_WHY_MAX 200

struct tls;

struct tls_config {
    /* a client's */
    const char *protocol;
    const char *node_id; /* NULL: any */
    /* a server's; protocol is NULL */
    bool (*choose)(void *data, const char *protocol, size_t size, bool *ret_needs_certificate);
    bool (*allows)(void *data, const struct net_peer *peer, const char *protocol); /* asked of verified certificates; NULL: all */
    void *data;
};

/* address: the peer's, as net_peer has it. The config's texts must outlive it. -EINVAL the protocol's name is no such thing, -ENOMEM. */
int tls_new(struct identity *i, const struct tls_config *config, const char *address, struct tls **ret);
struct tls *tls_free(struct tls *t);

/* From the peer. -ENOMEM. */
int tls_feed(struct tls *t, const void *bytes, size_t size);

/* 1: done. 0: needs more from the peer. Otherwise it has failed: -EKEYREJECTED one of us refuses the other's certificate, -EPROTO, -ENOMEM;
 * tls_why() says more. */
int tls_handshake(struct tls *t);

/* After the handshake. How many bytes; 0: needs more from the peer. -ECONNRESET: the peer has said that it closes; the rest as above. */
int tls_read(struct tls *t, void *ret, size_t size);
/* All of it, or it has failed: -ENOMEM, -EPROTO. */
int tls_write(struct tls *t, const void *bytes, size_t size);
/* Says goodbye, if that is still possible. */
void tls_close(struct tls *t);

/* For the peer: how much there is, and taking it. */
size_t tls_pending(const struct tls *t);
size_t tls_take(struct tls *t, void *ret, size_t size);

/* Of the failure, for people. "" without one. */
const char *tls_why(const struct tls *t);
/* Whole after the handshake. */
const struct net_peer *tls_peer(const struct tls *t);
const char *tls_protocol(const struct tls *t);
