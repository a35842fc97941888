/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/places.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#include "basic/cleanup.h"
#include "basic/file.h"

int places_open(struct places *ret)
{
    *ret = PLACES_NULL;
    ret->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return ret->fd < 0 ? -errno : 0;
}

void places_done(struct places *p)
{
    closep(&p->fd);
}

static bool watch(struct places *p, const char *path)
{
    return inotify_add_watch(p->fd, path, IN_MOVED_TO | IN_DELETE | IN_CREATE | IN_ONLYDIR) >= 0;
}

bool places_watch_keys(struct places *p, const char *root)
{
    char swarm[PATH_MAX], certificates[PATH_MAX];

    if (root[0] == '\0' || path_join(swarm, root, "swarm") < 0 || path_join(certificates, swarm, "certificates") < 0)
        return false;
    (void) watch(p, certificates); /* there is none outside a swarm */
    return watch(p, swarm);
}

void places_watch_socket(struct places *p, const char *socket, bool wanted)
{
    char copy[PATH_MAX];

    if (!wanted && p->socket_folder >= 0) {
        (void) inotify_rm_watch(p->fd, p->socket_folder);
        p->socket_folder = -1;
    }
    if (!wanted || p->socket_folder >= 0)
        return;
    (void) snprintf(copy, sizeof(copy), "%s", socket);
    p->socket_folder = inotify_add_watch(p->fd, dirname(copy), IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_ONLYDIR);
}

/* A file that is made is not whole yet; it is renamed when it is. A folder, and what comes beside the socket, counts at once. */
static bool is_change(const struct places *p, const struct inotify_event *event)
{
    return event->wd == p->socket_folder || (event->mask & (IN_MOVED_TO | IN_DELETE | IN_Q_OVERFLOW)) ||
           ((event->mask & IN_CREATE) && (event->mask & IN_ISDIR));
}

bool places_drain(struct places *p)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool changed = false;
    ssize_t n;

    while ((n = read(p->fd, buffer, sizeof(buffer))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const struct inotify_event *) (buffer + at);

            changed |= is_change(p, event);
            at += (ssize_t) (sizeof(*event) + event->len);
        }
    return changed;
}
