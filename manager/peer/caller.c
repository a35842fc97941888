/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/caller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/rpc.h"
#include "store/erasing_allocator.h"

#define RETRY_MS 100
#define ATTEMPT_MS 3000 /* of a call that may be repeated */
#define REDIRECTS_MAX 8

struct connection {
    struct connection *next;
    struct rpc_client *client;
    char address[PEER_ADDRESS_MAX];
};

struct peer_caller {
    uv_loop_t *loop;
    const char *protocol;
    struct identity *identity;
    struct connection *connections;
    struct call *calls;
    char managers[PEER_MANAGERS_MAX][PEER_ADDRESS_MAX];
    size_t n_managers, next_manager;
    char leader[PEER_ADDRESS_MAX];
    bool closing, has_answered;
};

struct call {
    struct peer_caller *caller;
    struct call *next, **link;
    uv_timer_t timer;
    void *payload;
    size_t size;
    uint64_t deadline; /* on the loop's clock */
    bool repeatable, in_flight, over;
    unsigned redirects;
    char target[PEER_ADDRESS_MAX];
    int rejected; /* -EKEYREJECTED when an attempt ended so */
    struct error why;
    peer_reply_cb cb;
    void *data;
};

int peer_caller_new(uv_loop_t *loop, const char *protocol, struct peer_caller **ret)
{
    struct peer_caller *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->loop = loop;
    c->protocol = protocol;
    *ret = c;
    return 0;
}

static void close_connections(struct peer_caller *c)
{
    while (c->connections) {
        struct connection *old = c->connections;

        c->connections = old->next;
        rpc_client_close(old->client);
        free(old);
    }
}

void peer_caller_set_identity(struct peer_caller *c, struct identity *identity)
{
    struct identity *old = c->identity;

    c->identity = identity ? identity_ref(identity) : NULL;
    close_connections(c);
    if (old)
        (void) identity_unref(old);
}

void peer_caller_set_managers(struct peer_caller *c, const char *const *addresses, size_t n)
{
    c->n_managers = 0;
    for (size_t i = 0; i < n && c->n_managers < PEER_MANAGERS_MAX; i++)
        if (strlen(addresses[i]) < PEER_ADDRESS_MAX)
            (void) strcpy(c->managers[c->n_managers++], addresses[i]);
}

void peer_caller_set_leader(struct peer_caller *c, const char *address)
{
    (void) snprintf(c->leader, sizeof(c->leader), "%s", address);
}

const char *peer_caller_leader(const struct peer_caller *c)
{
    return c->leader;
}

static int connection_get(struct peer_caller *c, const char *address, struct rpc_client **ret)
{
    struct connection *new;
    int r;

    for (struct connection *k = c->connections; k; k = k->next)
        if (strcmp(k->address, address) == 0) {
            *ret = k->client;
            return 0;
        }
    if (!c->identity)
        return -EAGAIN;
    new = calloc(1, sizeof(*new));
    if (!new)
        return -ENOMEM;
    (void) strcpy(new->address, address);
    r = rpc_client_new(c->loop, c->identity, c->protocol, address, NULL, &new->client);
    if (r < 0) {
        free(new);
        return r;
    }
    new->next = c->connections;
    c->connections = new;
    *ret = new->client;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct call *call = handle->data;

    erasing_free(call->payload);
    free(call);
}

static void call_end(struct call *call, int result, const Peer__Reply *reply)
{
    const char *why = reply ? reply->text : call->why.text;

    if (call->over)
        return;
    call->over = true;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->cb(call->data, result, reply, why);
    if (!call->in_flight)
        uv_close((uv_handle_t *) &call->timer, on_timer_closed);
}

static bool pick_target(struct call *call)
{
    struct peer_caller *c = call->caller;

    if (call->target[0] != '\0')
        return true;
    if (c->leader[0] != '\0')
        (void) strcpy(call->target, c->leader);
    else if (c->n_managers > 0)
        (void) strcpy(call->target, c->managers[c->next_manager++ % c->n_managers]);
    return call->target[0] != '\0';
}

static void attempt(uv_timer_t *timer);

/* Elsewhere, unless the time is over. */
static void try_later(struct call *call)
{
    struct peer_caller *c = call->caller;

    if (strcmp(c->leader, call->target) == 0)
        c->leader[0] = '\0';
    call->target[0] = '\0';
    call->redirects = 0;
    if (uv_now(c->loop) + RETRY_MS >= call->deadline)
        call_end(call, call->rejected < 0 ? call->rejected : -EAGAIN, NULL);
    else
        (void) uv_timer_start(&call->timer, attempt, RETRY_MS, 0);
}

static void follow(struct call *call, const char *redirect)
{
    if (strlen(redirect) >= PEER_ADDRESS_MAX || ++call->redirects > REDIRECTS_MAX) {
        try_later(call);
        return;
    }
    (void) strcpy(call->target, redirect);
    (void) strcpy(call->caller->leader, redirect);
    (void) uv_timer_start(&call->timer, attempt, 0, 0);
}

static void on_reply(struct call *call, const void *payload, size_t size)
{
    _cleanup_(peer_reply_freep) Peer__Reply *reply = NULL;
    int r = peer_reply_decode(payload, size, &reply);

    call->caller->has_answered = true;
    if (r < 0) {
        (void) error_set(&call->why, 0, "%s: its answer is not understood: %s", call->target, strerror(-r));
        call_end(call, -EPROTO, NULL);
    } else if (reply->redirect[0] != '\0')
        follow(call, reply->redirect);
    else if (reply->result == -EAGAIN) {
        (void) error_set(&call->why, 0, "%s", reply->text);
        try_later(call);
    } else {
        (void) strcpy(call->caller->leader, call->target);
        call_end(call, reply->result > 0 ? -EPROTO : reply->result, reply);
    }
}

static void on_called(void *data, int result, const void *payload, size_t size)
{
    struct call *call = data;
    struct rpc_client *client;

    call->in_flight = false;
    if (call->over) {
        uv_close((uv_handle_t *) &call->timer, on_timer_closed);
        return;
    }
    if (result == 0) {
        on_reply(call, payload, size);
        return;
    }
    if (!call->caller->closing && connection_get(call->caller, call->target, &client) == 0)
        (void) error_set(&call->why, 0, "%s", rpc_client_why(client));
    call->rejected = result == -EKEYREJECTED ? result : 0;
    if (!call->caller->has_answered && call->caller->n_managers == 1 && (result == -EHOSTUNREACH || result == -EKEYREJECTED))
        call_end(call, result, NULL); /* nobody else to ask */
    else if (call->repeatable || result == -EHOSTUNREACH || result == -EKEYREJECTED)
        try_later(call);
    else
        call_end(call, -ECANCELED, NULL);
}

static void attempt(uv_timer_t *timer)
{
    struct call *call = timer->data;
    struct peer_caller *c = call->caller;
    uint64_t now = uv_now(c->loop), left = call->deadline > now ? call->deadline - now : 1;
    struct rpc_client *client;

    if (!pick_target(call)) {
        try_later(call);
        return;
    }
    if (call->repeatable && left > ATTEMPT_MS)
        left = ATTEMPT_MS;
    if (connection_get(c, call->target, &client) < 0 || rpc_call(client, call->payload, call->size, (unsigned) left, on_called, call) < 0)
        try_later(call);
    else
        call->in_flight = true;
}

int peer_call(struct peer_caller *c, const Peer__Request *request, unsigned timeout_ms, bool repeatable, peer_reply_cb cb, void *data)
{
    struct call *call;
    int r;

    if (c->closing)
        return -ESHUTDOWN;
    call = calloc(1, sizeof(*call));
    if (!call)
        return -ENOMEM;
    r = peer_request_encode(request, &call->payload, &call->size);
    if (r < 0) {
        free(call);
        return r;
    }
    call->caller = c;
    call->deadline = uv_now(c->loop) + timeout_ms;
    call->repeatable = repeatable;
    call->cb = cb;
    call->data = data;
    (void) error_set(&call->why, 0, "no manager is known");
    (void) uv_timer_init(c->loop, &call->timer);
    call->timer.data = call;
    call->next = c->calls;
    call->link = &c->calls;
    if (c->calls)
        c->calls->link = &call->next;
    c->calls = call;
    return uv_timer_start(&call->timer, attempt, 0, 0);
}

/* What is in flight ends from within rpc_client_close, where it no longer counts. */
void peer_caller_close(struct peer_caller *c)
{
    c->closing = true;
    while (c->calls)
        call_end(c->calls, -ESHUTDOWN, NULL);
    close_connections(c);
    if (c->identity)
        (void) identity_unref(c->identity);
    free(c);
}
