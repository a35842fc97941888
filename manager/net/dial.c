/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "net/address.h"

struct dial {
    uv_loop_t *loop;
    dial_cb cb; /* NULL: it is over */
    void *data;
    char host[ADDRESS_HOST_MAX], port[6], why[200];
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    size_t n_addresses, next;
    struct attempt *attempt;
    bool resolving, timer_closed;
};

/* By itself, as libuv calls a connect back after its handle was closed. */
struct attempt {
    uv_tcp_t *tcp;
    uv_connect_t connect;
    struct dial *dial; /* NULL: given up */
};

static void dial_free(struct dial *d)
{
    if (d->timer_closed && !d->resolving)
        free(d);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct dial *d = handle->data;

    d->timer_closed = true;
    dial_free(d);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    free(handle);
}

static void give_up(struct dial *d)
{
    struct attempt *a = d->attempt;

    if (!a)
        return;
    d->attempt = NULL;
    a->dial = NULL;
    uv_close((uv_handle_t *) a->tcp, on_tcp_closed);
}

static void end(struct dial *d, uv_tcp_t *tcp, const char *why)
{
    dial_cb cb = d->cb;

    d->cb = NULL;
    uv_close((uv_handle_t *) &d->timer, on_timer_closed);
    cb(d->data, tcp, why);
}

static void try_next(struct dial *d);

static void on_attempt_over(uv_timer_t *timer)
{
    struct dial *d = timer->data;

    (void) snprintf(d->why, sizeof(d->why), "no answer");
    give_up(d);
    try_next(d);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct attempt *a = connect->data;
    struct dial *d = a->dial;
    uv_tcp_t *tcp = a->tcp;

    if (d && status == 0)
        d->attempt = NULL;
    else if (d) {
        (void) snprintf(d->why, sizeof(d->why), "%s", uv_strerror(status));
        give_up(d);
    }
    free(a);
    if (d && status == 0)
        end(d, tcp, "");
    else if (d)
        try_next(d);
}

static int attempt_start(struct dial *d, const struct sockaddr *address)
{
    _cleanup_free_ uv_tcp_t *tcp = malloc(sizeof(*tcp));
    _cleanup_free_ struct attempt *a = calloc(1, sizeof(*a));
    int r;

    if (!tcp || !a)
        return UV_ENOMEM;
    r = uv_tcp_init(d->loop, tcp);
    if (r < 0)
        return r;
    a->tcp = tcp;
    a->dial = d;
    a->connect.data = a;
    r = uv_tcp_connect(&a->connect, tcp, address, on_connected);
    if (r < 0) {
        uv_close((uv_handle_t *) TAKE_PTR(tcp), on_tcp_closed);
        return r;
    }
    tcp = NULL;
    d->attempt = TAKE_PTR(a);
    return 0;
}

/* From the loop only: it may end the dial. */
static void try_next(struct dial *d)
{
    (void) uv_timer_stop(&d->timer);
    while (d->next < d->n_addresses) {
        int r = attempt_start(d, (const struct sockaddr *) &d->addresses[d->next++]);

        if (r < 0) {
            (void) snprintf(d->why, sizeof(d->why), "%s", uv_strerror(r));
            continue;
        }
        if (d->next < d->n_addresses)
            (void) uv_timer_start(&d->timer, on_attempt_over, DIAL_ATTEMPT_SECONDS * 1000, 0);
        return;
    }
    end(d, NULL, d->why);
}

static void on_wake(uv_timer_t *timer)
{
    try_next(timer->data);
}

static void take_addresses(struct dial *d, const struct addrinfo *list)
{
    for (const struct addrinfo *i = list; i && d->n_addresses < DIAL_ADDRESSES_MAX; i = i->ai_next)
        if (i->ai_addrlen <= sizeof(d->addresses[0]))
            memcpy(&d->addresses[d->n_addresses++], i->ai_addr, i->ai_addrlen);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *list)
{
    struct dial *d = resolve->data;

    d->resolving = false;
    if (d->cb) {
        take_addresses(d, list);
        (void) snprintf(d->why, sizeof(d->why), "its name cannot be resolved: %s", status < 0 ? uv_strerror(status) : "it has no address");
        try_next(d);
    } else
        dial_free(d);
    uv_freeaddrinfo(list);
}

/* A number needs no resolver, which may be slow even so. */
static bool is_number(struct dial *d)
{
    int port = atoi(d->port);

    if (uv_ip4_addr(d->host, port, (struct sockaddr_in *) &d->addresses[0]) < 0 &&
        uv_ip6_addr(d->host, port, (struct sockaddr_in6 *) &d->addresses[0]) < 0)
        return false;
    d->n_addresses = 1;
    return true;
}

static int resolve(struct dial *d)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    int r;

    if (is_number(d))
        return uv_timer_start(&d->timer, on_wake, 0, 0);
    memset(&d->addresses[0], 0, sizeof(d->addresses[0]));
    d->resolve.data = d;
    r = uv_getaddrinfo(d->loop, &d->resolve, on_resolved, d->host, d->port, &hints);
    d->resolving = r == 0;
    return r;
}

int dial_start(uv_loop_t *loop, const char *host, const char *port, dial_cb cb, void *data, struct dial **ret)
{
    struct dial *d = calloc(1, sizeof(*d));
    int r;

    if (!d)
        return -ENOMEM;
    d->loop = loop;
    d->cb = cb;
    d->data = data;
    (void) snprintf(d->host, sizeof(d->host), "%s", host);
    (void) snprintf(d->port, sizeof(d->port), "%s", port);
    (void) uv_timer_init(loop, &d->timer);
    d->timer.data = d;
    r = resolve(d);
    if (r == UV_ENOMEM) {
        dial_cancel(d);
        return -ENOMEM;
    }
    if (r < 0) { /* a name that no resolver would be asked for; told from the loop */
        (void) snprintf(d->why, sizeof(d->why), "its name cannot be resolved: %s", uv_strerror(r));
        (void) uv_timer_start(&d->timer, on_wake, 0, 0);
    }
    *ret = d;
    return 0;
}

void dial_cancel(struct dial *d)
{
    if (!d || !d->cb)
        return;
    d->cb = NULL;
    if (d->resolving)
        (void) uv_cancel((uv_req_t *) &d->resolve);
    give_up(d);
    uv_close((uv_handle_t *) &d->timer, on_timer_closed);
}
