/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lifecycle thread's calls to other managers. */
#include <errno.h>
#include <string.h>

#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

struct call_step {
    struct swarm *swarm;
    const struct call *call;
    struct peer_caller *caller; /* of this call alone, or NULL */
    Peer__Reply *reply;
    struct error *error;
    struct completion *completion;
};

static int copy_reply(const Peer__Reply *reply, Peer__Reply **ret)
{
    void *encoded = NULL;
    size_t size = 0;
    int r = peer_reply_encode(reply, &encoded, &size);

    if (r == 0)
        r = peer_reply_decode(encoded, size, ret);
    erasing_free(encoded);
    return r;
}

static void on_reply(void *data, int result, const Peer__Reply *reply, const char *why)
{
    struct call_step *step = data;
    int r = 0;

    if (reply)
        r = copy_reply(reply, &step->reply);
    if (result < 0)
        (void) error_set(step->error, result, "%s", why && *why ? why : strerror(-result));
    if (step->caller)
        peer_caller_close(TAKE_PTR(step->caller));
    completion_done(step->completion, result < 0 ? result : r);
}

static int own_caller(struct call_step *step)
{
    const struct call *call = step->call;
    int r = peer_caller_new(step->swarm->config.loop, call->protocol, &step->caller);

    if (r < 0)
        return r;
    peer_caller_set_identity(step->caller, call->identity);
    peer_caller_set_managers(step->caller, call->managers, call->n_managers);
    return 0;
}

static void start(void *data, struct completion *c)
{
    struct call_step *step = data;
    const struct call *call = step->call;
    int r = 0;

    step->completion = c;
    if (call->identity)
        r = own_caller(step);
    else if (!step->swarm->caller)
        r = -ENOTCONN;
    if (r == 0)
        r = peer_call(step->caller ? step->caller : step->swarm->caller, call->request, call->timeout_ms, call->repeatable, on_reply, step);
    if (r == 0)
        return;
    if (step->caller)
        peer_caller_close(TAKE_PTR(step->caller));
    completion_done(c, error_set(step->error, r, "%s", strerror(-r)));
}

int step_call(struct swarm *s, const struct call *call, Peer__Reply **ret, struct error *e)
{
    struct call_step step = { .swarm = s, .call = call, .error = e };
    int r = lifecycle_on_loop(s->lifecycle, start, &step);

    if (r == 0)
        *ret = step.reply;
    else if (step.reply)
        peer_reply_free(step.reply);
    return r;
}
