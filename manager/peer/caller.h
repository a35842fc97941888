/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <uv.h>

#include "basic/error.h"
#include "net/identity.h"
#include "peer/message.h"

/* Calls to the swarm's leader, wherever it is: the last one known first, then where managers send us, then each manager. Loop's thread. */
struct peer_caller;

#define PEER_MANAGERS_MAX 32
#define PEER_ADDRESS_MAX 320

int peer_caller_new(uv_loop_t *loop, const char *protocol, struct peer_caller **ret);
/* Connections that exist are closed. */
void peer_caller_set_identity(struct peer_caller *c, struct identity *identity);
void peer_caller_set_managers(struct peer_caller *c, const char *const *addresses, size_t n);
/* "": not known. */
void peer_caller_set_leader(struct peer_caller *c, const char *address);
/* Who is thought to lead, until the next return to the loop; "": not known. */
const char *peer_caller_leader(const struct peer_caller *c);

/* reply: NULL unless result is 0 or the leader answered with an error. */
typedef void (*peer_reply_cb)(void *data, int result, const Peer__Reply *reply, const char *why);

/* cb later, never from within: the reply's result; -EAGAIN no leader was found within the time; -ECANCELED the answer was lost: unless it is
 * repeatable, whether it was done is not known; -EKEYREJECTED TLS refused one of us; -EHOSTUNREACH the only manager known could never be
 * reached; -ESHUTDOWN closed. A reply that says no leader is known,
 * or that a change is under way, is asked for again until the time is over. */
int peer_call(struct peer_caller *c, const Peer__Request *request, unsigned timeout_ms, bool repeatable, peer_reply_cb cb, void *data);

/* Pending calls get -ESHUTDOWN from within. Frees itself. */
void peer_caller_close(struct peer_caller *c);
