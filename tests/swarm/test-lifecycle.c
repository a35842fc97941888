/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>

#include "swarm/lifecycle.h"
#include "test.h"

static uv_loop_t loop;
static struct lifecycle *l;
static pthread_t loop_thread;
static unsigned running, order, stopped;
static _Atomic bool sleeps;

struct work {
    unsigned number;
    unsigned sleep_ms;
    int result; /* what done was told; 1: not yet */
};

static void on_loop(void *data, struct completion *c)
{
    CHECK(pthread_equal(pthread_self(), loop_thread));
    completion_done(c, *(int *) data);
}

/* Completed from a later turn of the loop, as a proposal is. */
static void on_timer(uv_timer_t *timer)
{
    completion_done(timer->data, -ESTALE);
    uv_close((uv_handle_t *) timer, (uv_close_cb) free);
}

static void on_loop_later(void *data _unused_, struct completion *c)
{
    uv_timer_t *timer = malloc(sizeof(*timer));

    CHECK(timer && uv_timer_init(&loop, timer) == 0);
    timer->data = c;
    CHECK(uv_timer_start(timer, on_timer, 5, 0) == 0);
}

static int run(void *data)
{
    struct work *w = data;
    int value = (int) w->number;

    CHECK(!pthread_equal(pthread_self(), loop_thread));
    CHECK(++running == 1); /* one at a time */
    CHECK(lifecycle_on_loop(l, on_loop, &value) == value);
    CHECK(lifecycle_on_loop(l, on_loop_later, NULL) == -ESTALE);
    sleeps = w->sleep_ms > 0;
    if (w->sleep_ms > 0 && lifecycle_sleep(l, w->sleep_ms) < 0) {
        CHECK(lifecycle_stopping(l));
        value = -EINTR;
    }
    running--;
    return value;
}

static void on_done(void *data, int result)
{
    struct work *w = data;

    CHECK(pthread_equal(pthread_self(), loop_thread));
    CHECK(w->number == order++); /* in the order of submission */
    w->result = result;
}

static void on_stopped(void *data _unused_)
{
    stopped++;
}

static void test_order(void)
{
    struct work works[LIFECYCLE_QUEUE_MAX + 1];

    for (unsigned i = 0; i < LIFECYCLE_QUEUE_MAX; i++) {
        works[i] = (struct work) { i, i % 4 == 0 ? 1 : 0, 1 };
        CHECK_OK(lifecycle_submit(l, run, on_done, &works[i]));
    }
    CHECK(lifecycle_submit(l, run, on_done, &works[LIFECYCLE_QUEUE_MAX]) == -EAGAIN);
    while (order < LIFECYCLE_QUEUE_MAX)
        (void) uv_run(&loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < LIFECYCLE_QUEUE_MAX; i++)
        CHECK(works[i].result == (int) i);
}

/* Stopping wakes a job that sleeps, lets it end, drops those behind it, and tells all. */
static void test_stop(void)
{
    struct work sleeping = { LIFECYCLE_QUEUE_MAX, 60000, 1 }, waiting = { LIFECYCLE_QUEUE_MAX + 1, 0, 1 };

    sleeps = false;
    CHECK_OK(lifecycle_submit(l, run, on_done, &sleeping));
    CHECK_OK(lifecycle_submit(l, run, on_done, &waiting));
    while (!sleeps)
        (void) uv_run(&loop, UV_RUN_NOWAIT);
    lifecycle_stop(l, on_stopped, NULL);
    CHECK(lifecycle_submit(l, run, on_done, &waiting) == -ESHUTDOWN);
    CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
    CHECK(sleeping.result == -EINTR && waiting.result == -ECANCELED && stopped == 1);
}

int main(void)
{
    loop_thread = pthread_self();
    CHECK_OK(uv_loop_init(&loop));
    CHECK_OK(lifecycle_new(&loop, &l));
    test_order();
    test_stop();
    CHECK_OK(uv_loop_close(&loop));
    return 0;
}
