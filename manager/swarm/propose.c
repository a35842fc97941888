/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes and fresh reads on whichever manager they are asked for: the leader does them, the others ask it and wait until they have seen the
 * outcome. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/swarm_private.h"

#define PROPOSE_MS 5000
#define BARRIER_MS 5000
#define APPLY_MS 3000 /* from the leader's answer until it is applied here */

/* Somebody who asked the leader. */
struct waiting {
    struct swarm *swarm;
    struct waiting *next;
    replica_cb cb; /* NULL: answered already */
    void *data;
    bool changes;
    uint64_t deadline; /* on the loop's clock, of what comes after the leader's answer; 0: before that */
};

static struct waiting *waiting_new(struct swarm *s, bool changes, replica_cb cb, void *data)
{
    struct waiting *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    *w = (struct waiting) { .swarm = s, .next = s->waiting, .cb = cb, .data = data, .changes = changes };
    s->waiting = w;
    return w;
}

static void waiting_free(struct waiting *w)
{
    struct waiting **link = &w->swarm->waiting;

    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    free(w);
}

static void answer(struct waiting *w, int result)
{
    replica_cb cb = w->cb;

    w->cb = NULL;
    if (cb)
        cb(w->data, result);
}

static void finish(void *data, int result)
{
    struct waiting *w = data;

    answer(w, result);
    waiting_free(w);
}

/* The log does not come any more: this manager was demoted, or is cut off. What the leader has done is done all the same. */
void propose_turn(struct swarm *s)
{
    struct waiting *next;

    for (struct waiting *w = s->waiting; w; w = next) {
        next = w->next;
        if (w->deadline == 0 || uv_now(s->config.loop) < w->deadline || !w->cb)
            continue;
        answer(w, w->changes ? 0 : -EAGAIN);
        return; /* the list may be another one now */
    }
}

/* The leader has done it: until here has seen it, too. */
static void on_reply(void *data, int result, const Peer__Reply *reply, const char *why _unused_)
{
    struct waiting *w = data;
    struct swarm *s = w->swarm;

    if (result == 0 && reply->what_case != PEER__REPLY__WHAT_POSITION)
        result = -EPROTO;
    if (result == 0 && !s->replica)
        result = -ECANCELED;
    if (result == 0) {
        w->deadline = uv_now(s->config.loop) + APPLY_MS;
        result = replica_wait_applied(s->replica, reply->position->index, finish, w);
    }
    if (result < 0)
        finish(w, result);
}

static int ask(struct swarm *s, const Peer__Request *request, unsigned timeout_ms, bool repeatable, replica_cb cb, void *data)
{
    struct waiting *w;
    int r;

    if (!s->caller)
        return -ENOTCONN;
    w = waiting_new(s, !repeatable, cb, data);
    if (!w)
        return -ENOMEM;
    r = peer_call(s->caller, request, timeout_ms, repeatable, on_reply, w);
    if (r < 0)
        waiting_free(w);
    return r;
}

int swarm_propose(struct swarm *s, const void *command, size_t size, replica_cb cb, void *data)
{
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__Propose propose = PEER__PROPOSE__INIT;
    int r;

    if (!s->replica)
        return -ENOTCONN;
    if (replica_is_leader(s->replica)) {
        r = replica_propose(s->replica, command, size, cb, data);
        if (r != -ENOTCONN)
            return r;
    }
    propose.command = (ProtobufCBinaryData) { size, (uint8_t *) command };
    request.what_case = PEER__REQUEST__WHAT_PROPOSE;
    request.propose = &propose;
    return ask(s, &request, PROPOSE_MS, false, cb, data);
}

int swarm_barrier(struct swarm *s, replica_cb cb, void *data)
{
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__Barrier barrier = PEER__BARRIER__INIT;
    int r;

    if (!s->replica)
        return -ENOTCONN;
    if (replica_is_leader(s->replica)) {
        r = replica_barrier(s->replica, cb, data);
        if (r != -ENOTCONN)
            return r;
    }
    request.what_case = PEER__REQUEST__WHAT_BARRIER;
    request.barrier = &barrier;
    return ask(s, &request, BARRIER_MS, true, cb, data);
}

int swarm_error_no_leader(struct error *e)
{
    return error_set(e, -EAGAIN, "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of "
                                 "the managers are online, then try again.");
}

int swarm_error_change(struct error *e, int code, const char *what)
{
    if (code == -EAGAIN || code == -ENOTCONN)
        return swarm_error_no_leader(e);
    if (code == -EREMCHG)
        return code;
    if (code == -ECANCELED || code == -ESHUTDOWN)
        return error_set(e, -EAGAIN, "%s: the leader was lost while the change was under way; see whether it was made, then try again", what);
    return error_set(e, code, "%s: %s", what, strerror(-code));
}

struct reading {
    swarm_current_cb cb;
    void *data;
};

static void on_current(void *data, int result)
{
    _cleanup_free_ struct reading *reading = data;
    struct error e = { "" };

    if (result < 0)
        result = swarm_error_no_leader(&e);
    reading->cb(reading->data, result, &e);
}

int swarm_read_current(struct swarm *s, swarm_current_cb cb, void *data, struct error *e)
{
    struct reading *reading;
    int r;

    if (swarm_is_alone(s))
        return 1;
    reading = calloc(1, sizeof(*reading));
    if (!reading)
        return error_set(e, -ENOMEM, "out of memory");
    *reading = (struct reading) { cb, data };
    r = swarm_barrier(s, on_current, reading);
    if (r < 0) {
        free(reading);
        return swarm_error_no_leader(e);
    }
    return 0;
}

/* The only voter: nobody else can have changed anything. */
bool swarm_is_alone(const struct swarm *s)
{
    const char *address;
    uint64_t id;
    bool votes;

    if (!s->replica || !replica_is_leader(s->replica) || replica_n_members(s->replica) != 1)
        return false;
    replica_member_at(s->replica, 0, &id, &address, &votes);
    return votes;
}
