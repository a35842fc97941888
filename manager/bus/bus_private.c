/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <systemd/sd-bus.h>

#include "basic/unix_socket.h"
#include "bus/bus_fresh.h"
#include "bus/bus_loop.h"
#include "bus/bus_object.h"
#include "message/bus_server.h"

#define PAUSE_MS 1000

struct peer {
    struct bus_private *owner;
    sd_bus *bus; /* NULL: a free place */
    struct bus_loop *loop;
    struct bus_object object;
    pid_t pid;
};

struct bus_private {
    struct swarm *swarm;
    char path[sizeof(((struct sockaddr_un *) 0)->sun_path)];
    int fd;
    uv_poll_t poll;
    uv_timer_t pause;
    unsigned open_handles;
    struct peer peers[BUS_PEERS_MAX];
};

/* Whoever got as far as here is root, whom every rule lets. The sender in the message is the peer's own word. */
static int admit(void *data, sd_bus_message *m, const struct bus_rule *rule)
{
    const struct peer *peer = data;
    struct swarm_caller caller = { .uid = 0 };

    (void) snprintf(caller.how, sizeof(caller.how), "dbus pid:%ld", (long) peer->pid);
    return bus_rule_call(rule, peer->owner->swarm, m, &caller);
}

/* A request that is under way keeps its message, and that the closed connection, on which the answer is lost. */
static void peer_close(struct peer *peer)
{
    bus_loop_free(TAKE_PTR(peer->loop));
    peer->bus = sd_bus_close_unref(peer->bus);
}

static void on_lost(void *data, int code _unused_)
{
    peer_close(data);
}

static int server_new(int *fd, struct bus_object *object, sd_bus **ret)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r = bus_server_new(fd, BUS_NAME, &bus);

    if (r >= 0)
        r = bus_object_add(bus, object);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(bus);
    return 0;
}

/* A peer that does not authenticate is given up by sd-bus, after 90 seconds. */
static int peer_open(struct bus_private *p, struct peer *peer, int *fd, pid_t pid)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r;

    *peer = (struct peer) { .owner = p, .object = { admit, peer }, .pid = pid };
    r = server_new(fd, &peer->object, &bus);
    if (r >= 0)
        r = bus_loop_new(p->poll.loop, bus, on_lost, peer, &peer->loop);
    if (r >= 0)
        peer->bus = TAKE_PTR(bus);
    return r;
}

static struct peer *free_place(struct bus_private *p)
{
    for (unsigned i = 0; i < BUS_PEERS_MAX; i++)
        if (!p->peers[i].bus)
            return &p->peers[i];
    return NULL;
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct bus_private *p = timer->data;

    (void) uv_poll_start(&p->poll, UV_READABLE, on_connection);
}

static void on_connection(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    struct bus_private *p = poll->data;
    _cleanup_close_ int fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct ucred cred;
    socklen_t size = sizeof(cred);
    struct peer *peer;

    if (fd < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        /* out of descriptors: it would be tried without end */
        (void) uv_poll_stop(&p->poll);
        (void) uv_timer_start(&p->pause, on_pause_over, PAUSE_MS, 0);
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0 || cred.uid != 0)
        return;
    peer = free_place(p);
    if (peer)
        (void) peer_open(p, peer, &fd, cred.pid);
}

int bus_private_new(uv_loop_t *loop, struct swarm *swarm, const char *path, struct bus_private **ret, struct error *e)
{
    _cleanup_close_ int fd = unix_listen(path);
    _cleanup_free_ struct bus_private *p = calloc(1, sizeof(*p));
    int r = !p ? -ENOMEM : fd < 0 ? fd : uv_poll_init(loop, &p->poll, fd);

    if (r < 0)
        return error_set(e, r, "the private socket %s cannot be used: %s", path, strerror(-r));
    (void) uv_timer_init(loop, &p->pause);
    p->poll.data = p->pause.data = p;
    p->open_handles = 2;
    p->swarm = swarm;
    (void) strcpy(p->path, path); /* it was bound */
    p->fd = take_fd(&fd);
    (void) uv_poll_start(&p->poll, UV_READABLE, on_connection);
    *ret = TAKE_PTR(p);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct bus_private *p = handle->data;

    if (--p->open_handles == 0)
        free(p);
}

void bus_private_free(struct bus_private *p)
{
    for (unsigned i = 0; i < BUS_PEERS_MAX; i++)
        if (p->peers[i].bus)
            peer_close(&p->peers[i]);
    uv_close((uv_handle_t *) &p->poll, on_closed);
    uv_close((uv_handle_t *) &p->pause, on_closed);
    (void) unlink(p->path); /* the folder outlives the manager */
    closep(&p->fd);
}
