/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials/credentials.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "credentials/credentials_private.h"
#include "credentials/peer_cgroup.h"

#define BATCH_MAX 64 /* connections in a row: the swarm has its turn in between */
#define PAUSE_MS 100
#define SWEEP_MS 500
#define TOLD_MAX 200 /* refusals in a minute */
#define TOLD_STRANGERS_MAX 20

static void on_connection(uv_poll_t *poll, int status, int events);

/* While the swarm has no answer for anybody, or there are too many, the others wait where they outlive this process: in the backlog. */
static void listen_or_not(struct credentials *c)
{
    bool listens = !c->closing && c->n_peers < c->config.peers_max && swarm_serves(c->config.swarm) && !uv_is_active((uv_handle_t *) &c->pause);

    if (listens && !c->listening)
        (void) uv_poll_start(&c->poll, UV_READABLE, on_connection);
    else if (!listens && c->listening)
        (void) uv_poll_stop(&c->poll);
    c->listening = listens;
}

static void on_pause_over(uv_timer_t *timer)
{
    listen_or_not(timer->data);
}

static void tell(struct credentials *c, const struct peer_name *name, pid_t pid, const char *why)
{
    const struct credentials_refusal refusal = { name ? name->unit : NULL, name ? name->credential : NULL, pid, why };
    uint64_t minute = uv_now(c->config.loop) / 60000;

    if (minute != c->minute) {
        c->minute = minute;
        c->told = c->told_strangers = 0;
    }
    if (name ? c->told++ < TOLD_MAX : c->told_strangers++ < TOLD_STRANGERS_MAX)
        c->config.refused(c->config.data, &refusal);
}

static void refuse_stranger(struct credentials *c, int fd, pid_t pid, const struct peer_name *name)
{
    struct error why;

    (void) error_set(&why, 0, name ? "process %ld is not in the cgroup of %s, whose credential %s it asked for"
                                   : "process %ld has no address of a unit: only systemd is served, for LoadCredential=",
                     (long) pid, name ? name->unit : "", name ? name->credential : "");
    tell(c, NULL, pid, why.text);
    peer_send(c, fd, NULL, 0, true);
}

/* -EAGAIN, or answered. */
static int ask(struct credentials *c, const struct peer_name *name, pid_t pid, const void **ret, size_t *ret_size)
{
    struct error e = { "" };
    int r = swarm_credential(c->config.swarm, name->unit, name->credential, ret, ret_size, &e);

    if (r < 0 && r != -EAGAIN)
        tell(c, name, pid, e.text[0] ? e.text : strerror(-r));
    return r;
}

static void serve(struct credentials *c, int fd, const struct sockaddr_un *address, socklen_t size)
{
    struct peer_name name;
    struct ucred cred;
    socklen_t cred_size = sizeof(cred);
    const void *data = NULL;
    size_t data_size = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) < 0 || cred.uid != 0) {
        (void) close(fd);
        return;
    }
    if (peer_name_parse(address->sun_path, size - offsetof(struct sockaddr_un, sun_path), &name) < 0)
        refuse_stranger(c, fd, cred.pid, NULL);
    else if (peer_cgroup_check(c->config.cgroups, name.unit, cred.pid) < 0)
        refuse_stranger(c, fd, cred.pid, &name);
    else if (ask(c, &name, cred.pid, &data, &data_size) == -EAGAIN)
        peer_hold(c, fd, &name, cred.pid, NULL);
    else
        peer_send(c, fd, data, data_size, false);
}

static void on_connection(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    struct credentials *c = poll->data;

    for (unsigned i = 0; i < BATCH_MAX && c->n_peers < c->config.peers_max; i++) {
        struct sockaddr_un address;
        socklen_t size = sizeof(address);
        int fd = accept4(c->fd, (struct sockaddr *) &address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            serve(c, fd, &address, size < sizeof(address) ? size : (socklen_t) sizeof(address));
            continue;
        }
        if (errno == EAGAIN)
            break;
        if (errno != EINTR && errno != ECONNABORTED) { /* out of descriptors: it would be tried without end */
            (void) uv_timer_start(&c->pause, on_pause_over, PAUSE_MS, 0);
            break;
        }
    }
    listen_or_not(c);
}

/* Who it is was checked when it was let in. */
void credentials_adopt(struct credentials *c, int fd, const char *name)
{
    struct sockaddr_un address;
    socklen_t size = sizeof(address), cred_size = sizeof(struct ucred);
    struct peer_name peer;
    struct ucred cred;

    if (getpeername(fd, (struct sockaddr *) &address, &size) == 0 && size <= sizeof(address) &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) == 0 &&
        peer_name_parse(address.sun_path, size - offsetof(struct sockaddr_un, sun_path), &peer) == 0)
        peer_hold(c, fd, &peer, cred.pid, name);
    else {
        if (c->config.keep)
            c->config.keep(c->config.data, fd, name, false);
        (void) close(fd);
    }
}

void credentials_review(struct credentials *c)
{
    struct peer *next;

    for (struct peer *p = c->peers; p; p = next) {
        const void *data = NULL;
        size_t size = 0;

        next = p->next;
        if (p->held && ask(c, &p->name, p->pid, &data, &size) != -EAGAIN)
            peer_answer(p, data, size);
    }
    listen_or_not(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct credentials *c = handle->data;

    if (--c->open_handles > 0)
        return;
    closep(&c->fd);
    free(c);
}

static void end(struct credentials *c)
{
    if (!c->closing || c->n_peers > 0)
        return;
    uv_close((uv_handle_t *) &c->poll, on_closed);
    uv_close((uv_handle_t *) &c->sweep, on_closed);
    uv_close((uv_handle_t *) &c->pause, on_closed);
}

void credentials_peer_gone(struct credentials *c)
{
    c->n_peers--;
    if (c->closing)
        end(c);
    else
        listen_or_not(c);
}

static void on_sweep(uv_timer_t *timer)
{
    struct credentials *c = timer->data;
    struct peer *next;

    for (struct peer *p = c->peers; p; p = next) {
        next = p->next;
        if (!p->held && uv_now(timer->loop) >= p->deadline)
            peer_close(p);
    }
}

int credentials_new(const struct credentials_config *config, int fd, struct credentials **ret)
{
    _cleanup_free_ struct credentials *c = calloc(1, sizeof(*c));
    int r = c ? uv_poll_init(config->loop, &c->poll, fd) : -ENOMEM;

    if (r < 0)
        return r;
    (void) uv_timer_init(config->loop, &c->sweep);
    (void) uv_timer_init(config->loop, &c->pause);
    c->poll.data = c->sweep.data = c->pause.data = c;
    c->open_handles = 3;
    c->config = *config;
    c->fd = fd;
    if (c->config.patience_ms == 0)
        c->config.patience_ms = CREDENTIALS_PATIENCE_MS;
    if (c->config.peers_max == 0)
        c->config.peers_max = CREDENTIALS_PEERS_MAX;
    (void) uv_timer_start(&c->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    listen_or_not(c);
    *ret = TAKE_PTR(c);
    return 0;
}

void credentials_close(struct credentials *c)
{
    uint64_t deadline = uv_now(c->config.loop) + CREDENTIALS_FAREWELL_MS;
    struct peer *next;

    c->closing = true;
    (void) uv_poll_stop(&c->poll);
    c->listening = false;
    if (c->n_peers == 0) {
        end(c);
        return;
    }
    for (struct peer *p = c->peers; p; p = next) {
        next = p->next;
        p->deadline = deadline;
        if (p->held && c->config.keep)
            peer_leave(p);
        else if (p->held)
            peer_answer(p, NULL, 0);
    }
}
