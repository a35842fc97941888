/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static bool take_kept(struct sockets *s, int fd, const char *name)
{
    struct kept *more;

    if (strncmp(name, CREDENTIALS_KEPT_PREFIX, strlen(CREDENTIALS_KEPT_PREFIX)) != 0 || strlen(name) >= sizeof(more->name))
        return false;
    more = reallocarray(s->kept, s->n_kept + 1, sizeof(*more));
    if (!more)
        return false;
    s->kept = more;
    more[s->n_kept].fd = fd;
    (void) strcpy(more[s->n_kept++].name, name);
    return true;
}

static void take(struct sockets *s, int fd, const char *name)
{
    if (s->credentials < 0 && strcmp(name, "credentials") == 0 && sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0) {
        s->credentials = fd;
        (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    } else if (!take_kept(s, fd, name))
        (void) close(fd);
}

void sockets_take(struct sockets *s)
{
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names);

    *s = (struct sockets) { .credentials = -1 };
    for (int i = 0; i < n; i++) {
        take(s, SD_LISTEN_FDS_START + i, names[i]);
        free(names[i]);
    }
    free(names);
}

void sockets_keep(void *data _unused_, int fd, const char *name, bool keep)
{
    char message[sizeof("FDSTOREREMOVE=1\nFDNAME=") + CREDENTIALS_KEPT_MAX];

    (void) snprintf(message, sizeof(message), "%s\nFDNAME=%s", keep ? "FDSTORE=1" : "FDSTOREREMOVE=1", name);
    (void) sd_pid_notify_with_fds(0, 0, message, keep ? &fd : NULL, keep ? 1 : 0);
}
