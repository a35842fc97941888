/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "ask/ask_protocol.h"
#include "basic/secret.h"

/* A question to the person at the console or at `systemctl start`, through the helper swarm-ask (agent/ask/ask_protocol.h). */
struct prompt;

/* Called once per prompt, from the loop; the prompt is gone by then, and a new one may be started. result is 0 with the answer (0 to 1024
 * bytes; the callee takes it, or it is erased afterwards), else answer is NULL and result
 *   -ECANCELED   the person cancelled
 *   -EMSGSIZE    what was answered is longer than any key
 *   -ECONNRESET  the helper hung up without an answer (stopped, killed, or it refused the message)
 *   -EPROTO      the helper sent something else
 * or another errno of recv(2). agent: the answer came from swarm-agent, not from a person. */
typedef void (*prompt_cb)(void *data, int result, struct secret *answer, bool agent);

/* message: 1 to 256 bytes of UTF-8 without control characters (-EINVAL, -EMSGSIZE). flags: ASK_FLAG_ACCEPT_CACHED, any agent may answer by
 * itself: for the first query only, not after a wrong key; ASK_FLAG_AGENT, swarm-agent may answer. -ENOENT, -ECONNREFUSED: no helper listens
 * at socket_path; -EAGAIN: it is busy; … */
int prompt_start(uv_loop_t *loop, const char *socket_path, const char *message, unsigned flags, prompt_cb cb, void *data,
                 struct prompt **ret);

/* Withdraws the query at once, without a callback. NULL is allowed; not after the callback. */
void prompt_cancel(struct prompt *p);
