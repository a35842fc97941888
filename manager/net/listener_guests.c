/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/listener_private.h"

#define SWEEP_SECONDS 5

static void guest_free(struct guest *g)
{
    struct listener *l = g->listener;

    if (g->newer)
        g->newer->older = g->older;
    else
        l->newest = g->older;
    if (g->older)
        g->older->newer = g->newer;
    else
        l->oldest = g->newer;
    l->n_guests--;
    if (g->state == GUEST_HANDSHAKE)
        l->n_handshakes--;
    free(g);
    listener_release(l);
}

static void on_gone(void *data)
{
    guest_free(data);
}

void guest_dismiss(struct guest *g)
{
    static const struct stream_events nobody = { 0 };

    if (g->state == GUEST_HANDSHAKE) {
        g->listener->n_handshakes--;
        stream_set_events(g->stream, &nobody);
    }
    g->state = GUEST_LEAVING;
}

/* Ended in its handshake. */
static void on_closed(void *data, int result, _unused_ const char *why)
{
    struct guest *g = data;
    const struct stream *s = g->stream;

    if (result < 0 && !(result == -ECONNRESET && !s->received_any))
        listener_refused(g->listener, s->address, s->why);
}

static struct listener_protocol *find_protocol(struct listener *l, const char *name, size_t size)
{
    for (size_t n = 0; n < l->config.n_protocols; n++)
        if (strlen(l->protocols[n].name) == size && memcmp(l->protocols[n].name, name, size) == 0)
            return &l->protocols[n];
    return NULL;
}

static bool choose(void *data, const char *protocol, size_t size, bool *ret_needs_certificate)
{
    const struct guest *g = data;
    const struct listener_protocol *p = find_protocol(g->listener, protocol, size);

    if (p)
        *ret_needs_certificate = p->needs_certificate;
    return p;
}

static bool allows(void *data, const struct net_peer *peer, const char *protocol)
{
    const struct listener *l = ((const struct guest *) data)->listener;

    return !l->closing && (!l->config.allows || l->config.allows(l->config.data, peer, protocol));
}

static void turn_away(struct guest *g, const char *why)
{
    listener_refused(g->listener, g->stream->address, why);
    guest_dismiss(g);
    stream_close(g->stream);
}

/* The owner's callback may close the stream, and the listener, which frees the guest. */
static void let_in(struct guest *g, const struct listener_protocol *p, const struct net_peer *peer)
{
    static const struct stream_events nobody = { 0 };
    struct listener *l = g->listener;
    struct stream *s = g->stream;

    assert(p); /* choose() took one of the listener's */
    stream_set_events(s, &nobody);
    p->accepted(l->config.data, s, peer);
    if (!s->events.received && !s->events.closed)
        stream_close(s);
    guests_sweep(l);
}

/* With a certificate it was asked already whether it may come in. */
static void on_ready(void *data, const struct net_peer *peer, const char *protocol)
{
    struct guest *g = data;
    struct listener *l = g->listener;
    enum guest_state state = peer->has_certificate ? GUEST_NODE : GUEST_ANONYMOUS;

    if (!peer->has_certificate && !allows(g, peer, protocol)) {
        turn_away(g, "it may not come in without a certificate");
        return;
    }
    limits_before_accept(l, state, peer->node_id);
    l->n_handshakes--;
    g->state = state;
    g->since = uv_now(l->config.loop);
    memcpy(g->node_id, peer->node_id, sizeof(g->node_id));
    let_in(g, find_protocol(l, protocol, strlen(protocol)), peer);
}

int guest_new(struct listener *l, int fd, const struct sockaddr *address, const unsigned char source[static 16])
{
    struct guest *g = calloc(1, sizeof(*g));
    const struct stream_events events = { .data = g, .ready = on_ready, .closed = on_closed };
    const struct tls_config rules = { .choose = choose, .allows = allows, .data = g };
    int r;

    if (!g) {
        (void) close(fd);
        return -ENOMEM;
    }
    g->listener = l;
    memcpy(g->source, source, sizeof(g->source));
    limits_before_handshake(l, g->source);
    r = stream_accept(l->config.loop, l->config.identity, fd, address, &rules, &events, &g->stream);
    if (r < 0) {
        free(g);
        return r;
    }
    g->stream->gone = on_gone;
    g->stream->gone_data = g;
    g->older = l->newest;
    if (l->newest)
        l->newest->newer = g;
    else
        l->oldest = g;
    l->newest = g;
    l->n_guests++;
    l->n_handshakes++;
    return 0;
}

void guests_leave(struct listener *l)
{
    struct guest *newer;

    for (struct guest *g = l->oldest; g; g = newer) {
        newer = g->newer;
        if (g->state == GUEST_HANDSHAKE) {
            guest_dismiss(g);
            stream_abort(g->stream, 0, "");
        }
        g->stream->gone = NULL;
        guest_free(g);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    guests_sweep(timer->data);
}

void guests_sweep(struct listener *l)
{
    uint64_t now = uv_now(l->config.loop);
    bool any = false;

    if (l->closing)
        return;
    for (struct guest *g = l->oldest; g; g = g->newer)
        if (g->state == GUEST_ANONYMOUS && now - g->since >= LISTENER_ANONYMOUS_SECONDS * 1000) {
            guest_dismiss(g);
            stream_close(g->stream);
        } else
            any |= g->state == GUEST_ANONYMOUS;
    if (!any)
        (void) uv_timer_stop(&l->sweep);
    else if (!uv_is_active((uv_handle_t *) &l->sweep))
        (void) uv_timer_start(&l->sweep, on_sweep, SWEEP_SECONDS * 1000, SWEEP_SECONDS * 1000);
}
