/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/unix_socket.h"
#include "docker/control_private.h"
#include "message/bus_server.h"

struct peer {
    struct control *control;
    int fd;
};

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_peers;

static bool count(int more)
{
    bool is_allowed;

    (void) pthread_mutex_lock(&counting);
    is_allowed = more < 0 || n_peers < CONTROL_CONNECTIONS_MAX;
    if (is_allowed)
        n_peers += (unsigned) more;
    (void) pthread_mutex_unlock(&counting);
    return is_allowed;
}

static int server_new(struct peer *peer, sd_bus **ret)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r = bus_server_new(&peer->fd, CONTROL_NAME, &bus);

    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, NULL, CONTROL_PATH, CONTROL_NAME, control_vtable, peer->control);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        *ret = TAKE_PTR(bus);
    return r;
}

static void *serve(void *data)
{
    struct peer *peer = data;
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r = server_new(peer, &bus);

    while (r >= 0) {
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, CONTROL_IDLE_S * UINT64_C(1000000)) > 0 ? 1 : -ETIMEDOUT;
    }
    closep(&peer->fd);
    free(peer);
    (void) count(-1);
    return NULL;
}

static int start(void *(*run)(void *), void *data)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, run, data);

    if (r == 0)
        (void) pthread_detach(thread);
    return -r;
}

static void accept_one(struct control *c, int listening)
{
    _cleanup_close_ int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred cred;
    socklen_t size = sizeof(cred);
    struct peer *peer;

    if (fd < 0) {
        (void) poll(NULL, 0, errno == EMFILE || errno == ENFILE || errno == ENOMEM ? 1000 : 0);
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0 || cred.uid != geteuid() || !count(1))
        return;
    peer = calloc(1, sizeof(*peer));
    if (!peer) {
        (void) count(-1);
        return;
    }
    *peer = (struct peer) { c, take_fd(&fd) };
    if (start(serve, peer) < 0) {
        closep(&peer->fd);
        free(peer);
        (void) count(-1);
    }
}

struct listener {
    struct control *control;
    int fd;
};

static void *listen_on(void *data)
{
    struct listener *l = data;
    struct pollfd p = { .fd = l->fd, .events = POLLIN };

    for (;;)
        if (poll(&p, 1, -1) > 0)
            accept_one(l->control, l->fd);
    return NULL;
}

int control_start(struct control *c, const char *path, struct error *e)
{
    static struct listener l;
    int r;

    l = (struct listener) { c, unix_listen(path) };
    r = l.fd < 0 ? l.fd : start(listen_on, &l);
    return r < 0 ? error_set(e, r, "cannot listen at %s: %s", path, strerror(-r)) : 0;
}
