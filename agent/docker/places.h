/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Folders in which a change means that the Engine is worth a look: where it keeps its keys (it writes them anew at each rotation, which none of
 * its events tells), and where its socket comes. */

struct places {
    int fd; /* inotify, to be polled */
    int socket_folder; /* the watch of it, or -1 */
};

#define PLACES_NULL ((struct places) { .fd = -1, .socket_folder = -1 })

int places_open(struct places *ret);
void places_done(struct places *p);

/* Watches the keys below the Engine's folder root; whether that is possible. */
bool places_watch_keys(struct places *p, const char *root);

/* Watches for socket, or does not any more. */
void places_watch_socket(struct places *p, const char *socket, bool wanted);

/* Forgets what has been told since; whether there was a change. */
bool places_drain(struct places *p);
