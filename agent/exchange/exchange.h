/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"

/* Between the manager or swarm-agent and the helpers that know how to unlock. One connection of type SOCK_SEQPACKET is one request and its
 * reply, one packet each (docs/FORMATS.md "The helpers' sockets").
 *
 * Request:
 *     offset 0   1 byte          version, 1
 *     offset 1   1 byte          operation, a letter of the helper's own
 *     offset 2   0..65536 bytes  body
 * Reply:
 *     offset 0   1 byte          version, 1
 *     offset 1   1 byte          '+': done, or why not: 'l' later, 'r' refused, 'u' unsupported, 'i' invalid
 *     offset 2   0..65536 bytes  body, or up to 400 bytes of UTF-8 that say why
 *
 * The errnos of a failed exchange:
 *     -EHOSTUNREACH   'l': nobody answered, or nothing of use; the same request may succeed later
 *     -EKEYREJECTED   'r': who was asked refuses; only a change there can help
 *     -EOPNOTSUPP     'u': no way known to do this
 *     -EINVAL         'i': the request has no valid form
 *     -EPROTONOSUPPORT  the other side speaks a newer version
 * Others come from this side: -ETIMEDOUT, -ENOENT or -ECONNREFUSED when there is no helper, -ECONNRESET when it ended without a reply,
 * -EPROTO when it sent no valid reply. */

#define EXCHANGE_VERSION 1
#define EXCHANGE_BODY_MAX (64U * 1024)
#define EXCHANGE_TEXT_MAX 400

/* ---- the side that asks */

/* A connection that does not block. */
int exchange_connect(const char *path);
int exchange_send(int fd, char operation, const void *body, size_t size);
/* The reply's body. -EAGAIN when nothing has come yet. */
int exchange_receive(int fd, struct secret *ret_body, struct error *e);
/* All of it; waits up to timeout_ms. ret_body may be NULL. */
int exchange_call(const char *path, char operation, const void *body, size_t size, int timeout_ms, struct secret *ret_body, struct error *e);

/* ---- the helper's side */

/* The request on a connection; waits up to timeout_ms. -ECANCELED when the other side hung up. A request of another version, or over its
 * maximum, has been answered. */
int exchange_request(int fd, int timeout_ms, char *ret_operation, struct secret *ret_body);
int exchange_reply(int fd, const void *body, size_t size);
/* code: one of the errnos above; any other is told as "later". */
int exchange_refuse(int fd, int code, const char *text);
