/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the manager and swarm-ask: one connection of type SOCK_SEQPACKET is one query, one packet each way.
 *
 * Request, manager to helper, 3 to 258 bytes:
 *     offset 0   1 byte         version, 1
 *     offset 1   1 byte         flags: bit 0 accept-cached (an agent may answer by itself); bit 1 swarm-agent may answer; other bits 0
 *     offset 2   1..256 bytes   what the person reads: UTF-8 without control characters and without '\' at its end
 * Reply, helper to manager:
 *     '+' and 0..1024 bytes     the answer
 *     '*' and 0..1024 bytes     the answer, from swarm-agent: root's datagram came from a socket bound to the abstract name "swarm-agent"
 *     '-'                       the person cancelled the query
 *     '!'                       an answer came that has over 1024 bytes; nothing of it was kept
 * The helper hangs up after its reply, and without one when it refuses the request or is stopped. The manager withdraws the query by
 * hanging up; it sends nothing after its request. */

#define ASK_VERSION 1
#define ASK_FLAG_ACCEPT_CACHED 0x01
#define ASK_FLAG_AGENT 0x02
#define ASK_FLAGS (ASK_FLAG_ACCEPT_CACHED | ASK_FLAG_AGENT)
#define ASK_MESSAGE_MAX 256
#define ASK_REQUEST_HEAD 2
#define ASK_REQUEST_MAX (ASK_REQUEST_HEAD + ASK_MESSAGE_MAX)

#define ASK_ANSWER_MAX 1024
#define ASK_REPLY_MAX (1 + ASK_ANSWER_MAX)
#define ASK_REPLY_ANSWER '+'
#define ASK_REPLY_AGENT '*'
#define ASK_REPLY_CANCELLED '-'
#define ASK_REPLY_TOO_LONG '!'

/* What the query in /run/systemd/ask-password is known by, and where swarm-agent's answer comes from. */
#define ASK_ID "swarm-manager:unlock"
#define ASK_AGENT_KEY "X-SwarmAgent"
#define ASK_AGENT_NAME "swarm-agent"
