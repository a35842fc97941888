/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "credentials/credentials.h"

/* What systemd hands over at the start: the socket at which units get credentials, and those of them that waited when the manager ended last. */
struct sockets {
    int credentials; /* -1: none */
    struct kept {
        int fd;
        char name[CREDENTIALS_KEPT_MAX];
    } *kept;
    unsigned n_kept;
};

/* Each is closed on exec, and the socket does not block. */
void sockets_take(struct sockets *s);

/* For credentials_config: process 1 keeps the connection until the manager is there again. */
void sockets_keep(void *data, int fd, const char *name, bool keep);
