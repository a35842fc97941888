/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "docker/watcher.h"

/* What swarmctl asks: org.swarm.Docker1, for root only, at a socket without a bus. Each connection has a thread, in which its calls are
 * answered one after the other. */

#define CONTROL_SOCKET "/run/swarm-agent/docker"
#define CONTROL_CONNECTIONS_MAX 8
#define CONTROL_IDLE_S 120

struct control {
    struct watcher *watcher;
    struct vault *vault;
    const char *helpers;
};

/* Begins to listen at path; c must stay. The threads end with the process. */
int control_start(struct control *c, const char *path, struct error *e);
