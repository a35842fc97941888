/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <signal.h>
#include <stdbool.h>

#include "basic/error.h"
#include "basic/secret.h"

/* Docker Engine's HTTP interface at its Unix socket. Every call blocks, for a bounded time, and takes a bounded reply. */

#define ENGINE_SOCKET "/run/docker.sock"
#define ENGINE_ROOT "/var/lib/docker" /* where it keeps its data, if not told otherwise */
#define ENGINE_SOCKET_MAX 108 /* of struct sockaddr_un, with the NUL */
#define ENGINE_REPLY_MAX (1024U * 1024)
#define ENGINE_MS 5000
#define ENGINE_UNLOCK_MS 60000 /* without a quorum of managers it would wait for minutes */

enum engine_state { /* as Swarm.LocalNodeState has it */
    ENGINE_INACTIVE,
    ENGINE_PENDING,
    ENGINE_ACTIVE,
    ENGINE_ERROR,
    ENGINE_LOCKED,
};

const char *engine_state_to_string(enum engine_state state);

struct engine_info {
    enum engine_state state;
    bool is_manager;      /* and can be asked for its keys */
    char root[PATH_MAX];  /* where it keeps its data; "" when it does not say */
};

struct engine;

/* stop: calls end early, -ECANCELED, once it is not 0; NULL for never. -ENOMEM, -ENAMETOOLONG. */
int engine_new(const char *socket, const volatile sig_atomic_t *stop, struct engine **ret);
void engine_free(struct engine *engine);
DEFINE_CLEANUP(struct engine *, engine_free)

/* Errors: -ENOENT no socket, -EACCES may not connect, -ECONNREFUSED nobody listens, -ETIMEDOUT, -EMSGSIZE too long a reply, -EPROTO none of
 * the Engine's, -ESHUTDOWN docker.service is stopped: to connect to ENGINE_SOCKET would start it. */
int engine_info(struct engine *engine, struct engine_info *ret, struct error *e);

/* The connection that the last engine_info left open, or -1. The Engine hangs up when it begins to stop. (A stream of its events would hold up its
 * stop for 5 s, and tells nothing of a rotation.) */
int engine_connection(const struct engine *engine);
/* Whether the last engine_info made it anew. */
bool engine_has_reconnected(const struct engine *engine);
/* Forgets that connection. */
void engine_hang_up(struct engine *engine);

/* The unlock key's text in force. -ENODATA: autolock is off; -ESRCH: locked, or no manager. */
int engine_key(const struct engine *engine, struct secret *ret_text, struct error *e);

/* key: the text of an unlock key. -EKEYREJECTED; -EALREADY: it is not locked (any more). */
int engine_unlock(const struct engine *engine, const struct secret *key, struct error *e);
