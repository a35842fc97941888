/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "net/stream_private.h"

#define KEEPALIVE_SECONDS 15

static void on_set_up_over(uv_timer_t *timer)
{
    struct stream *s = timer->data;
    const char *what = s->state == STREAM_DIALING ? "answer" : "TLS handshake";
    char why[64];

    (void) snprintf(why, sizeof(why), "no %s within %d seconds", what, STREAM_SETUP_SECONDS);
    stream_end(s, false, -EHOSTUNREACH, why);
}

static int stream_new(uv_loop_t *loop, struct identity *i, const struct stream_events *events, struct stream **ret)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->loop = loop;
    s->events = *events;
    s->identity = identity_ref(i);
    (void) uv_timer_init(loop, &s->deadline);
    (void) uv_timer_init(loop, &s->wake);
    s->deadline.data = s->wake.data = s;
    s->handles = 2;
    (void) uv_timer_start(&s->deadline, on_set_up_over, STREAM_SETUP_SECONDS * 1000, 0);
    *ret = s;
    return 0;
}

/* None of these is needed for the connection to work. */
static void tune(uv_tcp_t *tcp)
{
    const unsigned unacknowledged_ms = STREAM_STALL_SECONDS * 1000;
    uv_os_fd_t fd;

    (void) uv_tcp_nodelay(tcp, 1);
    (void) uv_tcp_keepalive(tcp, 1, KEEPALIVE_SECONDS);
    if (uv_fileno((uv_handle_t *) tcp, &fd) == 0)
        (void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
}

int stream_begin(struct stream *s, uv_tcp_t *tcp, const struct tls_config *rules)
{
    struct sockaddr_storage peer = { 0 };
    int size = sizeof(peer), r;
    char numeric[ADDRESS_NUMERIC_MAX];

    s->tcp = tcp;
    tcp->data = s;
    s->handles++;
    s->state = STREAM_HANDSHAKE;
    tune(tcp);
    (void) uv_tcp_getpeername(tcp, (struct sockaddr *) &peer, &size);
    address_format((struct sockaddr *) &peer, numeric);
    if (s->address[0] == '\0')
        (void) strcpy(s->address, numeric);
    r = tls_new(s->identity, rules, numeric, &s->tls);
    if (r < 0)
        return r;
    if (rules->protocol && tls_handshake(s->tls) < 0) /* the client speaks first */
        return -ENOMEM;
    stream_read(s);
    stream_flush(s);
    return 0;
}

static void on_dialed(void *data, uv_tcp_t *tcp, const char *why)
{
    struct stream *s = data;
    const struct tls_config rules = { .protocol = s->protocol, .node_id = s->node_id[0] ? s->node_id : NULL };
    int r;

    s->dial = NULL;
    if (!tcp) {
        stream_end(s, false, -EHOSTUNREACH, why);
        return;
    }
    r = stream_begin(s, tcp, &rules);
    if (r < 0)
        stream_end(s, false, r, strerror(-r));
}

static int set_target(struct stream *s, const char *address, const char *protocol, const char *node_id)
{
    if (strlen(address) >= sizeof(s->address) || strlen(protocol) >= sizeof(s->protocol) || protocol[0] == '\0' ||
        (node_id && strlen(node_id) != ID_LEN))
        return -EINVAL;
    (void) strcpy(s->address, address);
    (void) strcpy(s->protocol, protocol);
    if (node_id)
        (void) strcpy(s->node_id, node_id);
    return 0;
}

int stream_connect(uv_loop_t *loop, struct identity *i, const char *address, const char *protocol, const char *node_id,
                   const struct stream_events *events, struct stream **ret)
{
    char host[ADDRESS_HOST_MAX], port[6];
    struct stream *s = NULL;
    int r = address_split(address, host, port);

    if (r == 0)
        r = stream_new(loop, i, events, &s);
    if (r != 0)
        return r;
    r = set_target(s, address, protocol, node_id);
    if (r == 0)
        r = dial_start(loop, host, port, on_dialed, s, &s->dial);
    if (r < 0) {
        s->events = (struct stream_events) { 0 };
        stream_end(s, false, 0, "");
        return r;
    }
    *ret = s;
    return 0;
}

/* An open handle for fd; fd is closed on failure. */
static int open_tcp(uv_loop_t *loop, int fd, uv_tcp_t **ret)
{
    _cleanup_free_ uv_tcp_t *tcp = malloc(sizeof(*tcp));
    _cleanup_close_ int owned = fd;
    int r;

    if (!tcp)
        return -ENOMEM;
    r = uv_tcp_init(loop, tcp);
    if (r < 0)
        return r;
    r = uv_tcp_open(tcp, fd);
    if (r < 0) {
        uv_close((uv_handle_t *) TAKE_PTR(tcp), (uv_close_cb) free);
        return r;
    }
    (void) take_fd(&owned);
    *ret = TAKE_PTR(tcp);
    return 0;
}

int stream_accept(uv_loop_t *loop, struct identity *i, int fd, const struct sockaddr *address, const struct tls_config *rules,
                  const struct stream_events *events, struct stream **ret)
{
    struct stream *s;
    uv_tcp_t *tcp;
    int r = open_tcp(loop, fd, &tcp);

    if (r < 0)
        return r;
    r = stream_new(loop, i, events, &s);
    if (r < 0) {
        uv_close((uv_handle_t *) tcp, (uv_close_cb) free);
        return r;
    }
    address_format(address, s->address);
    r = stream_begin(s, tcp, rules);
    if (r < 0) {
        s->events = (struct stream_events) { 0 };
        stream_end(s, false, r, strerror(-r));
        return r;
    }
    *ret = s;
    return 0;
}

void stream_set_events(struct stream *s, const struct stream_events *events)
{
    s->events = *events;
}

const struct net_peer *stream_peer(const struct stream *s)
{
    return s->ready ? tls_peer(s->tls) : NULL;
}

const char *stream_protocol(const struct stream *s)
{
    return s->ready ? tls_protocol(s->tls) : NULL;
}
