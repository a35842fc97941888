/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>

#include "credentials/credentials_private.h"

/* systemd fails a unit whose credential has more than 1 MiB. It is the only way to say no: a connection that just ends is an empty credential. */
#define REFUSAL_SIZE (1024U * 1024 + 1)
#define CHUNK (64U * 1024)
#define STRANGERS_BUFFER 4096 /* what is sent and not read stays in the kernel, of those that were hung up on, too */

static const unsigned char zeros[CHUNK];

/* Of size bytes, from *sent on; data NULL: zeros. 0: all is sent; -EAGAIN: the peer has to read first; another: it has gone. */
static int send_more(int fd, const unsigned char *data, size_t size, size_t *sent)
{
    while (*sent < size) {
        size_t left = size - *sent;
        ssize_t n = send(fd, data ? data + *sent : zeros, data || left < CHUNK ? left : CHUNK, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            *sent += (size_t) n;
        else if (n == 0 || errno != EINTR)
            return n == 0 ? -EPIPE : errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    return 0;
}

static size_t size_of(const struct peer *p)
{
    return p->data.data ? p->data.size : REFUSAL_SIZE;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct peer *p = handle->data;
    struct credentials *c = p->owner;

    secret_done(&p->data);
    free(p);
    credentials_peer_gone(c);
}

static void keep(struct peer *p, bool is_kept)
{
    const struct credentials_config *config = &p->owner->config;

    if (config->keep && p->kept[0] != '\0')
        config->keep(config->data, p->fd, p->kept, is_kept);
    if (!is_kept)
        p->kept[0] = '\0';
}

void peer_leave(struct peer *p)
{
    p->kept[0] = '\0';
    peer_close(p);
}

void peer_close(struct peer *p)
{
    keep(p, false);
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    p->owner->n_strangers -= p->stranger;
    secret_done(&p->data);
    if (!p->held) /* the end is seen at once, whoever else may still have the connection */
        (void) shutdown(p->fd, SHUT_RDWR);
    uv_close((uv_handle_t *) &p->poll, on_poll_closed);
    closep(&p->fd);
}

static void on_writable(uv_poll_t *poll, int status, int events _unused_)
{
    struct peer *p = poll->data;
    size_t before = p->sent;

    if (status < 0 || send_more(p->fd, p->data.data, size_of(p), &p->sent) != -EAGAIN)
        peer_close(p);
    else if (p->sent > before && !p->owner->closing)
        p->deadline = uv_now(poll->loop) + p->owner->config.patience_ms;
}

static void on_hung_up(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    peer_close(poll->data);
}

/* fd stays the caller's on failure. */
static struct peer *peer_new(struct credentials *c, int fd)
{
    struct peer *p = calloc(1, sizeof(*p));

    if (!p || uv_poll_init(c->config.loop, &p->poll, fd) < 0) {
        free(p);
        return NULL;
    }
    p->poll.data = p;
    p->owner = c;
    p->fd = fd;
    p->deadline = uv_now(c->config.loop) + c->config.patience_ms;
    p->next = c->peers;
    p->link = &c->peers;
    if (c->peers)
        c->peers->link = &p->next;
    c->peers = p;
    c->n_peers++;
    return p;
}

static struct peer *oldest_stranger(struct credentials *c)
{
    struct peer *oldest = NULL;

    for (struct peer *p = c->peers; p; p = p->next)
        if (p->stranger)
            oldest = p;
    return oldest;
}

/* What is not sent yet is kept in locked memory. */
static void send_rest(struct peer *p, const void *data, size_t size)
{
    if (data && secret_copy(data, size, &p->data) < 0) {
        /* a part of a secret must not pass for the whole: it becomes longer than any */
        p->sent = 0;
    }
    (void) uv_poll_start(&p->poll, UV_WRITABLE, on_writable);
}

void peer_send(struct credentials *c, int fd, const void *data, size_t size, bool stranger)
{
    _cleanup_close_ int owned = fd;
    size_t sent = 0;
    struct peer *p;

    if (stranger)
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int) { STRANGERS_BUFFER }, sizeof(int));
    if (send_more(fd, data, data ? size : REFUSAL_SIZE, &sent) != -EAGAIN)
        return;
    if (stranger && c->n_strangers >= CREDENTIALS_STRANGERS_MAX)
        peer_close(oldest_stranger(c));
    p = peer_new(c, fd);
    if (!p)
        return;
    (void) take_fd(&owned);
    p->stranger = stranger;
    c->n_strangers += stranger;
    p->sent = sent;
    send_rest(p, data, size);
}

/* Whoever has only closed its sending half, as systemd does at once, is still there. epoll tells by itself of one that has gone altogether, but
 * libuv has no word for that: asked for what never comes on such a socket, it calls. */
void peer_hold(struct credentials *c, int fd, const struct peer_name *name, pid_t pid, const char *kept)
{
    struct peer *p = peer_new(c, fd);

    if (!p) {
        peer_send(c, fd, NULL, 0, false);
        return;
    }
    p->held = true;
    p->name = *name;
    p->pid = pid;
    if (kept)
        (void) snprintf(p->kept, sizeof(p->kept), "%s", kept);
    else if (c->config.keep) {
        (void) snprintf(p->kept, sizeof(p->kept), CREDENTIALS_KEPT_PREFIX "%08x%08x", randombytes_random(), randombytes_random());
        keep(p, true);
    }
    (void) uv_poll_start(&p->poll, UV_PRIORITIZED, on_hung_up);
}

void peer_answer(struct peer *p, const void *data, size_t size)
{
    int r;

    p->held = false;
    keep(p, false); /* what is sent once must not be sent again */
    p->deadline = uv_now(p->poll.loop) + (p->owner->closing ? CREDENTIALS_FAREWELL_MS : p->owner->config.patience_ms);
    r = send_more(p->fd, data, data ? size : REFUSAL_SIZE, &p->sent);
    if (r == -EAGAIN)
        send_rest(p, data, size);
    else
        peer_close(p);
}
