/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "basic/secret.h"

/* A question to the person at the console or at `systemctl start`, through the helper swarm-ask (agent/ask/ask_protocol.h). */
struct prompt;

/* Called once per prompt, from the loop; the prompt is gone by then, and a new one may be started. result is 0 with the answer (0 to 1024
 * bytes; the callee takes it, or it is erased afterwards), else answer is NULL and result
 *   -ECANCELED   the person cancelled
 *   -EMSGSIZE    what was answered is longer than any key
 *   -ECONNRESET  the helper hung up without an answer (stopped, killed, or it refused the message)
 *   -EPROTO      the helper sent something else
 * or another errno of recv(2). */
typedef void (*prompt_cb)(void *data, int result, struct secret *answer);

/* message: 1 to 256 bytes of UTF-8 without control characters (-EINVAL, -EMSGSIZE). accept_cached: an agent may answer by itself; true for the
 * first query only, not after a wrong key. -ENOENT, -ECONNREFUSED: no helper listens at socket_path; -EAGAIN: it is busy; … */
int prompt_start(uv_loop_t *loop, const char *socket_path, const char *message, bool accept_cached, prompt_cb cb, void *data,
                 struct prompt **ret);

/* Withdraws the query at once, without a callback. NULL is allowed; not after the callback. */
void prompt_cancel(struct prompt *p);
