/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon/sockets.h"

/* swarm-managerd: the swarm with its faces, on one loop, until SIGTERM or SIGINT. */

struct daemon_config {
    const char *folder; /* the state directory */
    const char *seal_socket;
    const char *helpers; /* the folder of the sockets of swarm-open, swarm-unlock and swarm-token */
    const char *ask_socket;
    const char *private_socket;
    const char *runtime; /* the folder of the manager's own sockets, which is kept while the machine is up */
    struct sockets *sockets; /* from systemd; taken */
    unsigned snapshot_threshold; /* 0: the default */
};

/* 0 when it was told to stop, else a negative errno that has been logged. */
int daemon_run(const struct daemon_config *config);
