/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/cleanup.h"
#include "peer/peer.pb-c.h"

/* Requests and replies between nodes: the payloads of calls, framed like commands (docs/PROTOCOL.md). */

/* A buffer from malloc; the caller erases it. -EMSGSIZE, -ENOMEM. */
int peer_request_encode(const Peer__Request *request, void **ret, size_t *ret_size);
int peer_reply_encode(const Peer__Reply *reply, void **ret, size_t *ret_size);

/* -EBADMSG, -EPROTONOSUPPORT, -ENOMEM. Freed by the functions below, which erase. */
int peer_request_decode(const void *data, size_t size, Peer__Request **ret);
int peer_reply_decode(const void *data, size_t size, Peer__Reply **ret);
void peer_request_free(Peer__Request *request);
void peer_reply_free(Peer__Reply *reply);
DEFINE_CLEANUP(Peer__Request *, peer_request_free)
DEFINE_CLEANUP(Peer__Reply *, peer_reply_free)
