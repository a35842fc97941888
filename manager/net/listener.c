/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/identity_private.h"
#include "net/listener_private.h"

#define ACCEPT_AT_ONCE 32
#define AGAIN_MS 250
#define BACKLOG 256

DEFINE_CLEANUP(struct addrinfo *, freeaddrinfo)

void listener_refused(const struct listener *l, const char *address, const char *why)
{
    if (l->config.refused && !l->closing)
        l->config.refused(l->config.data, address, why);
}

void listener_release(struct listener *l)
{
    if (l->handles > 0 || l->n_guests > 0)
        return;
    if (l->closed)
        l->closed(l->closed_data);
    (void) identity_unref(l->config.identity);
    free(l);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    l->handles--;
    listener_release(l);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_again(uv_timer_t *timer)
{
    struct listener *l = timer->data;

    (void) uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* Out of descriptors, or of memory: those who wait keep waiting, and the loop does not turn for them. */
static void pause_accepting(struct listener *l)
{
    (void) uv_poll_stop(&l->poll);
    (void) uv_timer_start(&l->again, on_again, AGAIN_MS, 0);
}

static bool is_of_one_connection(int error)
{
    static const int errors[] = { ECONNABORTED, EINTR,  EPROTO,      ENETDOWN,   ENETUNREACH, EHOSTUNREACH,
                                  EHOSTDOWN,    ENONET, ENOPROTOOPT, EOPNOTSUPP, EPERM };

    for (size_t i = 0; i < ELEMENTSOF(errors); i++)
        if (errors[i] == error)
            return true;
    return false;
}

static void hang_up(struct listener *l, int fd, const struct sockaddr *address, const char *why)
{
    char numeric[ADDRESS_NUMERIC_MAX];

    (void) close(fd);
    address_format(address, numeric);
    listener_refused(l, numeric, why);
}

static void receive(struct listener *l, int fd, const struct sockaddr *address)
{
    unsigned char source[16];

    guest_source(address, source);
    if (l->n_guests >= LISTENER_STREAMS_MAX)
        hang_up(l, fd, address, "too many connections");
    else if (!limits_allow(l, source))
        hang_up(l, fd, address, "too many new connections from its address");
    else
        (void) guest_new(l, fd, address, source);
}

static void on_poll(uv_poll_t *poll, _unused_ int status, _unused_ int events)
{
    struct listener *l = poll->data;

    for (unsigned n = 0; n < ACCEPT_AT_ONCE && !l->closing; n++) {
        struct sockaddr_storage address = { 0 };
        socklen_t size = sizeof(address);
        int fd = accept4(l->fd, (struct sockaddr *) &address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            receive(l, fd, (struct sockaddr *) &address);
        else if (errno == EAGAIN)
            return;
        else if (!is_of_one_connection(errno)) {
            pause_accepting(l);
            return;
        }
    }
}

static int bind_one(const struct addrinfo *a, int *ret)
{
    _cleanup_close_ int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1, off = 0;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (a->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
        return -errno;
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    *ret = take_fd(&fd);
    return 0;
}

static int bind_address(const char *address, int *ret, struct error *e)
{
    _cleanup_(freeaddrinfop) struct addrinfo *list = NULL;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    char host[ADDRESS_HOST_MAX], port[6];
    int r;

    if (address_split(address, host, port) < 0)
        return error_set(e, -EINVAL, "cannot listen on \"%s\": an address has the form HOST:PORT, or [HOST]:PORT for IPv6", address);
    r = getaddrinfo(host, port, &hints, &list);
    if (r != 0)
        return error_set(e, -EINVAL, "cannot listen on %s: its name cannot be resolved: %s", address, gai_strerror(r));
    r = bind_one(list, ret);
    return r < 0 ? error_set(e, r, "cannot listen on %s: %s", address, strerror(-r)) : 0;
}

/* The names are the caller's no longer than the call. */
static int copy_config(struct listener *l, const struct listener_config *config)
{
    if (config->n_protocols == 0 || config->n_protocols > LISTENER_PROTOCOLS_MAX || config->identity->pinned || config->handshakes_per_second > 1000)
        return -EINVAL;
    l->config = *config;
    l->config.address = NULL;
    l->config.protocols = l->protocols;
    for (size_t n = 0; n < config->n_protocols; n++) {
        if (strlen(config->protocols[n].name) == 0 || strlen(config->protocols[n].name) >= STREAM_PROTOCOL_MAX)
            return -EINVAL;
        (void) strcpy(l->names[n], config->protocols[n].name);
        l->protocols[n] = config->protocols[n];
        l->protocols[n].name = l->names[n];
    }
    return 0;
}

static void find_own_address(struct listener *l)
{
    struct sockaddr_storage own = { 0 };
    socklen_t size = sizeof(own);

    (void) getsockname(l->fd, (struct sockaddr *) &own, &size);
    address_format((struct sockaddr *) &own, l->address);
}

int listener_new(const struct listener_config *config, struct listener **ret, struct error *e)
{
    _cleanup_free_ struct listener *l = calloc(1, sizeof(*l));
    _cleanup_close_ int fd = -1;
    int r;

    if (!l)
        return error_set(e, -ENOMEM, "out of memory");
    r = copy_config(l, config);
    if (r < 0)
        return error_set(e, r, "cannot listen: a protocol, the identity or the limit of handshakes has no valid form");
    r = bind_address(config->address, &fd, e);
    if (r < 0)
        return r;
    r = uv_poll_init(config->loop, &l->poll, fd);
    if (r < 0)
        return error_set(e, r, "cannot listen on %s: %s", config->address, uv_strerror(r));
    l->fd = take_fd(&fd);
    find_own_address(l);
    l->config.identity = identity_ref(config->identity);
    (void) uv_timer_init(config->loop, &l->again);
    (void) uv_timer_init(config->loop, &l->sweep);
    l->poll.data = l->again.data = l->sweep.data = l;
    l->handles = 3;
    (void) uv_poll_start(&l->poll, UV_READABLE, on_poll);
    *ret = TAKE_PTR(l);
    return 0;
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

void listener_set_identity(struct listener *l, struct identity *i)
{
    struct identity *old = l->config.identity;

    l->config.identity = identity_ref(i);
    (void) identity_unref(old);
}

void listener_close(struct listener *l, void (*cb)(void *data), void *data)
{
    if (l->closing)
        return;
    l->closing = true;
    l->closed = cb;
    l->closed_data = data;
    guests_leave(l);
    uv_close((uv_handle_t *) &l->poll, on_handle_closed);
    uv_close((uv_handle_t *) &l->again, on_handle_closed);
    uv_close((uv_handle_t *) &l->sweep, on_handle_closed);
    (void) close(l->fd); /* libuv has let go of it */
    l->fd = -1;
}
