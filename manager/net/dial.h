/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <uv.h>

/* A TCP connection to a host by name or number. Every address that the name has is tried in turn; one that does not answer is given up
 * after DIAL_ATTEMPT_SECONDS while there are others. The time in all is the caller's to watch. */

#define DIAL_ATTEMPT_SECONDS 3
#define DIAL_ADDRESSES_MAX 8

struct dial;

/* tcp: connected, from malloc, now the callee's; or NULL, and why says what happened. Once, from the loop; the dial is gone then. */
typedef void (*dial_cb)(void *data, uv_tcp_t *tcp, const char *why);

/* -ENOMEM. */
int dial_start(uv_loop_t *loop, const char *host, const char *port, dial_cb cb, void *data, struct dial **ret);

/* No callback comes any more. What cannot be interrupted ends by itself on the loop. NULL is allowed. */
void dial_cancel(struct dial *d);
