/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <time.h>

#include "basic/cleanup.h"

#define BATCH_MAX 32 /* messages of one peer in a row: the others, and the disk, have their turn in between */

struct bus_loop {
    sd_bus *bus;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_prepare_t prepare;
    unsigned open_handles;
    int events;
    uint64_t deadline;
    bool more; /* may be there that no poll tells of, because it has been read */
    bool lost;
    void (*on_lost)(void *data, int code);
    void *data;
};

static void process(struct bus_loop *b)
{
    int r = 1;

    if (b->lost)
        return;
    for (unsigned i = 0; i < BATCH_MAX && r > 0; i++)
        r = sd_bus_process(b->bus, NULL);
    b->more = r > 0;
    if (r < 0) {
        b->lost = true;
        (void) uv_poll_stop(&b->poll);
        b->on_lost(b->data, r);
    }
}

static void on_poll(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    process(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct bus_loop *b = timer->data;

    b->deadline = UINT64_MAX;
    process(b);
}

static void set_timer(struct bus_loop *b, uint64_t deadline)
{
    struct timespec ts;
    uint64_t now;

    if (deadline == b->deadline)
        return;
    b->deadline = deadline;
    (void) uv_timer_stop(&b->timer);
    if (deadline == UINT64_MAX)
        return;
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    now = (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
    (void) uv_timer_start(&b->timer, on_timer, deadline > now ? (deadline - now) / 1000 + 1 : 0, 0);
}

/* What the connection waits for changes with every message, also those sent from elsewhere in the loop. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct bus_loop *b = prepare->data;
    uint64_t deadline = UINT64_MAX;
    int events;

    /* a deadline of 0: messages have been read that nobody has seen yet */
    if (!b->lost && (b->more || (sd_bus_get_timeout(b->bus, &deadline) >= 0 && deadline == 0)))
        process(b);
    if (b->lost)
        return;
    events = sd_bus_get_events(b->bus);
    if (events < 0 || sd_bus_get_timeout(b->bus, &deadline) < 0)
        return;
    events = (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0);
    if (events != b->events) {
        b->events = events;
        (void) uv_poll_start(&b->poll, events, on_poll);
    }
    set_timer(b, b->more ? 0 : deadline);
}

int bus_loop_new(uv_loop_t *loop, sd_bus *bus, void (*on_lost)(void *data, int code), void *data, struct bus_loop **ret)
{
    struct bus_loop *b = calloc(1, sizeof(*b));
    int r;

    if (!b)
        return -ENOMEM;
    r = uv_poll_init(loop, &b->poll, sd_bus_get_fd(bus));
    if (r < 0) {
        free(b);
        return r;
    }
    (void) uv_timer_init(loop, &b->timer);
    (void) uv_prepare_init(loop, &b->prepare);
    b->poll.data = b->timer.data = b->prepare.data = b;
    b->open_handles = 3;
    b->bus = sd_bus_ref(bus);
    b->deadline = UINT64_MAX;
    b->more = true;
    b->on_lost = on_lost;
    b->data = data;
    (void) uv_prepare_start(&b->prepare, on_prepare);
    *ret = b;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct bus_loop *b = handle->data;

    if (--b->open_handles == 0)
        free(b);
}

void bus_loop_free(struct bus_loop *b)
{
    b->lost = true;
    uv_close((uv_handle_t *) &b->poll, on_closed);
    uv_close((uv_handle_t *) &b->timer, on_closed);
    uv_close((uv_handle_t *) &b->prepare, on_closed);
    b->bus = sd_bus_unref(b->bus);
}
