/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "net/stream.h"

/* A replica's connection to another manager's: bytes between one end of a socket pair, whose other end the replica has, and a TLS stream.
 * The side that connects sends a preamble first (docs/PROTOCOL.md "Links"). Loop's thread. */
struct link;

#define LINK_PREAMBLE_SIZE 16
#define LINK_ADDRESS_MAX 320

struct link_list {
    struct link *first;
};

/* fd: the replica's end, which the callee gets to keep, or a negative errno. */
typedef void (*link_cb)(void *data, int fd, const struct net_peer *peer);

/* Connects to a manager and introduces this one. node_id: whom the certificate has to name; NULL: any manager. cb is not called from within. */
int link_connect(struct link_list *list, uv_loop_t *loop, struct identity *identity, const char *address, const char *node_id,
                 uint64_t own_raft_id, const char *own_address, link_cb cb, void *data);

/* Who connected; address lives until the callback returns. */
typedef void (*link_accepted_cb)(void *data, int fd, const struct net_peer *peer, uint64_t raft_id, const char *address);

/* Takes a stream that was just accepted, waits for its preamble, then calls cb; never when that does not come. */
int link_accept(struct link_list *list, uv_loop_t *loop, struct stream *stream, link_accepted_cb cb, void *data);

/* Breaks off every link whose peer keep() does not want; NULL: all. */
void link_list_review(struct link_list *list, bool (*keep)(void *data, const struct net_peer *peer), void *data);
