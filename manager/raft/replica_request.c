/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "basic/analyzer.h"
#include "basic/cleanup.h"
#include "raft/replica_private.h"

#define ROOM_WAIT_MS 10000
#define BARRIERS_MAX 1024

static void list_init(struct request_list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_insert(struct request_list *l, struct request **at, struct request *q)
{
    q->next = *at;
    q->link = at;
    *at = q;
    if (q->next)
        q->next->link = &q->next;
    else
        l->last = &q->next;
}

static void list_add(struct request_list *l, struct request *q)
{
    list_insert(l, l->last, q);
}

static struct request *request_of_link(struct request **link)
{
    return (struct request *) ((char *) link - offsetof(struct request, next));
}

static void list_remove(struct request_list *l, struct request *q)
{
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    else
        l->last = q->link;
}

void requests_init(struct replica *r)
{
    list_init(&r->submitted);
    list_init(&r->waiting);
    list_init(&r->barriers);
}

static struct request *request_new(struct replica *r, replica_cb cb, void *data)
{
    struct request *q = calloc(1, sizeof(*q));

    if (q)
        *q = (struct request) { .replica = r, .cb = cb, .data = data };
    return q;
}

static void request_free(struct request *q)
{
    raft_free(q->command.base);
    free(q);
}

static void request_answer(struct request *q, int result)
{
    replica_cb cb = q->cb;

    q->cb = NULL;
    if (q->counted)
        q->replica->in_flight--;
    q->counted = false;
    if (cb)
        cb(q->data, result);
}

static void request_finish(struct request_list *l, struct request *q, int result)
{
    list_remove(l, q);
    request_answer(q, result);
    request_free(q);
}

static void on_applied(struct raft_apply *apply, int status, void *result)
{
    struct request *q = apply->data;

    request_finish(&q->replica->submitted, q, status == 0 ? (int) (intptr_t) result : sealed_errno(status));
}

static void on_barrier(struct raft_barrier *barrier, int status)
{
    struct request *q = barrier->data;

    request_finish(&q->replica->submitted, q, sealed_errno(status));
}

/* 0, then raft owns the command; or a RAFT_ code, then it does not, unless the replica has failed. */
static int submit(struct request *q)
{
    struct replica *r = q->replica;
    struct raft_buffer command = q->command;
    int rv;

    q->command = (struct raft_buffer) { 0 };
    q->apply.data = q;
    rv = raft_apply(&r->raft, &q->apply, &command, 1, on_applied);
    if (rv == 0)
        list_add(&r->submitted, q);
    else if (rv == RAFT_NOSPACE || rv == RAFT_NOTLEADER)
        q->command = command;
    else /* past the point where raft had taken the command */
        replica_fail(r, "cannot propose: %s", raft_strerror(rv));
    return rv;
}

static int start(struct replica *r, struct request *q)
{
    int rv = r->waiting.first ? RAFT_NOSPACE : submit(q);

    if (rv == 0)
        return 0;
    if (rv != RAFT_NOSPACE || !replica_has_room(r))
        return sealed_errno(rv);
    q->deadline = uv_now(r->config.loop) + ROOM_WAIT_MS;
    list_add(&r->waiting, q);
    return 0;
}

int replica_propose(struct replica *r, const void *command, size_t size, replica_cb cb, void *data)
{
    struct request *q;
    int result;

    if (!replica_is_leader(r))
        return -ENOTCONN;
    if (size == 0 || size % 8 != 0)
        return -EINVAL;
    if (size > REPLICA_COMMAND_MAX)
        return -EMSGSIZE;
    if (r->in_flight >= REPLICA_IN_FLIGHT_MAX)
        return -EAGAIN;
    q = request_new(r, cb, data);
    if (!q)
        return -ENOMEM;
    q->command = (struct raft_buffer) { raft_malloc(size), size };
    if (!q->command.base) {
        free(q);
        return -ENOMEM;
    }
    memcpy(q->command.base, command, size);
    result = start(r, q);
    if (result < 0) {
        request_free(q);
        return result;
    }
    OWNER_UNSEEN_BEGIN
    q->counted = true;
    r->in_flight++;
    OWNER_UNSEEN_END
    return 0;
}

int request_push(struct replica *r, replica_cb cb, void *data)
{
    struct request *q = request_new(r, cb, data);
    int rv;

    if (!q)
        return RAFT_NOMEM;
    q->barrier.data = q;
    rv = raft_barrier(&r->raft, &q->barrier, on_barrier);
    if (rv == 0) {
        list_add(&r->submitted, q);
        return 0;
    }
    free(q);
    if (rv != RAFT_NOSPACE && rv != RAFT_NOTLEADER)
        replica_fail(r, "cannot propose: %s", raft_strerror(rv));
    return rv;
}

static bool is_alone(const struct replica *r)
{
    const struct raft_configuration *c = &r->raft.configuration;
    unsigned voters = 0;

    for (unsigned i = 0; i < c->n; i++)
        voters += c->servers[i].role == RAFT_VOTER;
    return voters == 1;
}

/* By their target; mostly the new one is the last. */
static void wait_add(struct replica *r, struct request *q, raft_index target)
{
    struct request **at = &r->barriers.first;

    q->target = target;
    if (r->barriers.first && request_of_link(r->barriers.last)->target <= target)
        at = r->barriers.last;
    while (*at && (*at)->target <= target)
        at = &(*at)->next;
    list_insert(&r->barriers, at, q);
    r->n_barriers++;
    replica_wake(r);
}

int replica_barrier(struct replica *r, replica_cb cb, void *data)
{
    struct request *q;

    if (!replica_is_leader(r))
        return -ENOTCONN;
    if (!is_alone(r))
        return sealed_errno(request_push(r, cb, data));
    if (r->n_barriers >= BARRIERS_MAX)
        return -EAGAIN;
    q = request_new(r, cb, data);
    if (!q)
        return -ENOMEM;
    wait_add(r, q, raft_last_index(&r->raft));
    return 0;
}

int replica_wait_applied(struct replica *r, uint64_t index, replica_cb cb, void *data)
{
    struct request *q;

    if (r->failed || r->closing)
        return -ECANCELED;
    if (r->n_barriers >= BARRIERS_MAX)
        return -EAGAIN;
    q = request_new(r, cb, data);
    if (!q)
        return -ENOMEM;
    wait_add(r, q, index);
    return 0;
}

static void barrier_finish(struct replica *r, struct request *q, int result)
{
    r->n_barriers--;
    request_finish(&r->barriers, q, result);
}

static void serve_waiting(struct replica *r)
{
    struct request *q;

    while ((q = r->waiting.first) && !r->failed && !r->closing) {
        int rv;

        list_remove(&r->waiting, q);
        rv = submit(q);
        if (rv == 0)
            continue;
        if (rv == RAFT_NOSPACE && uv_now(r->config.loop) < q->deadline) {
            list_insert(&r->waiting, &r->waiting.first, q); /* back to where it was */
            return;
        }
        request_answer(q, sealed_errno(rv));
        request_free(q);
    }
}

void requests_serve(struct replica *r)
{
    raft_index applied = raft_last_applied(&r->raft);
    struct request *q;

    serve_waiting(r);
    while ((q = r->barriers.first) && q->target <= applied)
        barrier_finish(r, q, 0);
}

void requests_cancel(struct replica *r, bool all)
{
    while (r->waiting.first)
        request_finish(&r->waiting, r->waiting.first, -ECANCELED);
    while (r->barriers.first)
        barrier_finish(r, r->barriers.first, -ECANCELED);
    if (!all)
        return;
    for (struct request *q = r->submitted.first; q; q = r->submitted.first) {
        while (q && !q->cb) /* an answer may have changed the list: look from its begin */
            q = q->next;
        if (!q)
            return;
        request_answer(q, -ECANCELED);
    }
}
