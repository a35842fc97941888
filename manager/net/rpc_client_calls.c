/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "basic/cleanup.h"
#include "net/rpc_client_private.h"

static struct call *find(struct rpc_client *c, bool (*is)(const struct call *call, uint64_t value), uint64_t value)
{
    for (struct call *call = c->first; call; call = call->next)
        if (is(call, value))
            return call;
    return NULL;
}

static bool is_sent_as(const struct call *call, uint64_t id)
{
    return !call->frame && call->id == id;
}

static bool is_late(const struct call *call, uint64_t now)
{
    return call->deadline > 0 && call->deadline <= now;
}

static bool is_doomed(const struct call *call, _unused_ uint64_t value)
{
    return call->doom < 0;
}

static bool is_unsent(const struct call *call, _unused_ uint64_t value)
{
    return call->frame;
}

struct call *calls_first_unsent(struct rpc_client *c)
{
    return find(c, is_unsent, 0);
}

struct call *calls_first_late(struct rpc_client *c)
{
    return find(c, is_late, uv_now(c->loop));
}

struct call *calls_sent_as(struct rpc_client *c, uint64_t id)
{
    return find(c, is_sent_as, id);
}

uint64_t calls_next_deadline(const struct rpc_client *c)
{
    uint64_t next = 0;

    for (const struct call *call = c->first; call; call = call->next)
        if (call->deadline > 0 && (next == 0 || call->deadline < next))
            next = call->deadline;
    return next;
}

int call_new(struct rpc_client *c, const void *payload, size_t size, unsigned timeout_ms, struct call **ret)
{
    struct call *call = calloc(1, sizeof(*call));
    int r = call ? rpc_frame_new(FRAME_REQUEST, c->last_id + 1, payload, size, &call->frame) : -ENOMEM;

    if (r < 0) {
        free(call);
        return r;
    }
    call->id = ++c->last_id;
    call->deadline = timeout_ms > 0 ? uv_now(c->loop) + timeout_ms : 0;
    *c->last = call;
    c->last = &call->next;
    c->n_calls++;
    c->queued += call->frame->size;
    *ret = call;
    return 0;
}

static void drop_frame(struct rpc_client *c, struct call *call)
{
    if (call->frame)
        c->queued -= call->frame->size;
    rpc_frame_free(call->frame);
    call->frame = NULL;
}

void call_sent(struct rpc_client *c, struct call *call)
{
    call->sent_at = uv_now(c->loop);
    drop_frame(c, call);
}

void call_finish(struct rpc_client *c, struct call *call, int result, const void *reply, size_t size)
{
    struct call **link = &c->first;

    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    if (c->last == &call->next)
        c->last = link;
    c->n_calls--;
    drop_frame(c, call);
    call->cb(call->data, result, reply, size);
    free(call);
}

void calls_finish_doomed(struct rpc_client *c)
{
    struct call *call;

    while ((call = find(c, is_doomed, 0)))
        call_finish(c, call, call->doom, NULL, 0);
}
