/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "net/listener_private.h"

void guest_source(const struct sockaddr *address, unsigned char ret[static 16])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    const struct sockaddr_in6 *v6 = (const void *) address;
    const struct sockaddr_in *v4 = (const void *) address;

    memset(ret, 0, 16);
    if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        memcpy(ret, &v6->sin6_addr, 16);
    else if (address->sa_family == AF_INET6)
        memcpy(ret, &v6->sin6_addr, 8);
    else {
        memcpy(ret, mapped, sizeof(mapped));
        memcpy(ret + 12, &v4->sin_addr, 4);
    }
}

/* Of a source that is not known: the one of whoever is nearest to all of its own. */
static struct allowance *allowance_of(struct listener *l, const unsigned char source[static 16])
{
    struct allowance *a = l->allowances;

    for (size_t i = 0; i < LISTENER_SOURCES_MAX; i++) {
        if (memcmp(l->allowances[i].source, source, sizeof(a->source)) == 0)
            return &l->allowances[i];
        if (l->allowances[i].whole < a->whole)
            a = &l->allowances[i];
    }
    memcpy(a->source, source, sizeof(a->source));
    a->whole = 0;
    return a;
}

/* The generic cell rate algorithm, ITU-T I.371. */
bool limits_allow(struct listener *l, const unsigned char source[static 16])
{
    const uint64_t now = uv_now(l->config.loop);
    struct allowance *a;
    uint64_t interval, whole;

    if (l->config.handshakes_per_second == 0)
        return true;
    a = allowance_of(l, source);
    interval = 1000 / l->config.handshakes_per_second;
    whole = (a->whole > now ? a->whole : now) + interval;
    if (whole > now + LISTENER_BURST * interval)
        return false;
    a->whole = whole;
    return true;
}

static void send_away(struct guest *g, const char *why)
{
    listener_refused(g->listener, g->stream->address, why);
    guest_dismiss(g);
    stream_abort(g->stream, -ECONNRESET, why);
}

static bool alike(const struct guest *g, enum guest_state state, const unsigned char *source, const char *node_id)
{
    return g->state == state && (!source || memcmp(g->source, source, sizeof(g->source)) == 0) &&
           (!node_id || strcmp(g->node_id, node_id) == 0);
}

/* Of those in that state, and from that source or of that node if given, the oldest goes when there are max. */
static void limit(struct listener *l, enum guest_state state, const unsigned char *source, const char *node_id, size_t max, const char *why)
{
    struct guest *oldest = NULL;
    size_t n = 0;

    for (struct guest *g = l->newest; g; g = g->older)
        if (alike(g, state, source, node_id)) {
            oldest = g;
            n++;
        }
    if (oldest && n >= max)
        send_away(oldest, why);
}

void limits_before_handshake(struct listener *l, const unsigned char source[static 16])
{
    if (l->n_handshakes < LISTENER_PER_ADDRESS_MAX) /* no limit can be reached */
        return;
    limit(l, GUEST_HANDSHAKE, source, NULL, LISTENER_PER_ADDRESS_MAX, "too many connections from its address without a finished handshake");
    if (l->n_handshakes >= LISTENER_HANDSHAKES_MAX)
        limit(l, GUEST_HANDSHAKE, NULL, NULL, LISTENER_HANDSHAKES_MAX, "too many connections without a finished handshake");
}

void limits_before_accept(struct listener *l, enum guest_state state, const char *node_id)
{
    if (state == GUEST_ANONYMOUS)
        limit(l, GUEST_ANONYMOUS, NULL, NULL, LISTENER_ANONYMOUS_MAX, "too many connections without certificate");
    else
        limit(l, GUEST_NODE, NULL, node_id, LISTENER_PER_NODE_MAX, "too many connections of one node");
}
