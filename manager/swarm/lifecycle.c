/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/lifecycle.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

struct job {
    int (*run)(void *data);
    void (*done)(void *data, int result);
    void *data;
    int result;
};

struct completion {
    struct lifecycle *lifecycle;
    void (*start)(void *data, struct completion *c);
    void *data;
    int result;
    bool started, done;
};

struct lifecycle {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uv_async_t wake;

    struct job queue[LIFECYCLE_QUEUE_MAX];
    unsigned first, n; /* of queue; the first one is running when busy */
    bool busy, ran, stopping, ended;
    struct completion *call;

    void (*stopped)(void *data);
    void *stopped_data;
};

static void *thread_main(void *data)
{
    struct lifecycle *l = data;

    (void) pthread_mutex_lock(&l->mutex);
    while (!l->stopping) {
        if (l->n == 0 || l->ran) {
            (void) pthread_cond_wait(&l->changed, &l->mutex);
            continue;
        }
        struct job *job = &l->queue[l->first];
        l->busy = true;
        (void) pthread_mutex_unlock(&l->mutex);
        int r = job->run(job->data);
        (void) pthread_mutex_lock(&l->mutex);
        job->result = r;
        l->busy = false;
        l->ran = true;
        (void) uv_async_send(&l->wake);
    }
    l->ended = true;
    (void) uv_async_send(&l->wake);
    (void) pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* Takes the job out whose end has to be told, if there is one. */
static bool take_finished(struct lifecycle *l, struct job *ret)
{
    bool have;

    (void) pthread_mutex_lock(&l->mutex);
    have = l->ran || (l->ended && l->n > 0);
    if (have) {
        *ret = l->queue[l->first];
        if (!l->ran)
            ret->result = -ECANCELED;
        l->ran = false;
        l->first = (l->first + 1) % LIFECYCLE_QUEUE_MAX;
        l->n--;
        (void) pthread_cond_broadcast(&l->changed);
    }
    (void) pthread_mutex_unlock(&l->mutex);
    return have;
}

static struct completion *take_call(struct lifecycle *l)
{
    struct completion *c;

    (void) pthread_mutex_lock(&l->mutex);
    c = l->call && !l->call->started ? l->call : NULL;
    if (c)
        c->started = true;
    (void) pthread_mutex_unlock(&l->mutex);
    return c;
}

static void on_closed(uv_handle_t *handle)
{
    struct lifecycle *l = handle->data;
    void (*cb)(void *) = l->stopped;
    void *data = l->stopped_data;

    (void) pthread_cond_destroy(&l->changed);
    (void) pthread_mutex_destroy(&l->mutex);
    free(l);
    cb(data);
}

static void on_wake(uv_async_t *wake)
{
    struct lifecycle *l = wake->data;
    struct completion *c = take_call(l);
    struct job job;
    bool ended;

    (void) pthread_mutex_lock(&l->mutex);
    ended = l->ended;
    (void) pthread_mutex_unlock(&l->mutex);
    if (c)
        c->start(c->data, c);
    while (take_finished(l, &job))
        job.done(job.data, job.result);
    if (ended && !uv_is_closing((uv_handle_t *) wake)) {
        (void) pthread_join(l->thread, NULL);
        uv_close((uv_handle_t *) wake, on_closed);
    }
}

int lifecycle_new(uv_loop_t *loop, struct lifecycle **ret)
{
    _cleanup_free_ struct lifecycle *l = calloc(1, sizeof(*l));
    pthread_condattr_t attributes;
    int r;

    if (!l)
        return -ENOMEM;
    (void) pthread_mutex_init(&l->mutex, NULL);
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&l->changed, &attributes);
    (void) pthread_condattr_destroy(&attributes);

    r = uv_async_init(loop, &l->wake, on_wake);
    if (r < 0)
        return r;
    l->wake.data = l;
    r = pthread_create(&l->thread, NULL, thread_main, l);
    /* the handle belongs to the loop by now, which has to end anyway */
    if (r != 0) {
        TAKE_PTR(l);
        return -r;
    }
    *ret = TAKE_PTR(l);
    return 0;
}

int lifecycle_submit(struct lifecycle *l, int (*run)(void *data), void (*done)(void *data, int result), void *data)
{
    int r = 0;

    (void) pthread_mutex_lock(&l->mutex);
    if (l->stopping)
        r = -ESHUTDOWN;
    else if (l->n == LIFECYCLE_QUEUE_MAX)
        r = -EAGAIN;
    else {
        l->queue[(l->first + l->n) % LIFECYCLE_QUEUE_MAX] = (struct job) { run, done, data, 0 };
        l->n++;
        (void) pthread_cond_broadcast(&l->changed);
    }
    (void) pthread_mutex_unlock(&l->mutex);
    return r;
}

int lifecycle_on_loop(struct lifecycle *l, void (*start)(void *data, struct completion *c), void *data)
{
    struct completion c = { .lifecycle = l, .start = start, .data = data };

    (void) pthread_mutex_lock(&l->mutex);
    assert(!l->call);
    l->call = &c;
    (void) uv_async_send(&l->wake);
    while (!c.done)
        (void) pthread_cond_wait(&l->changed, &l->mutex);
    l->call = NULL;
    (void) pthread_mutex_unlock(&l->mutex);
    return c.result;
}

void completion_done(struct completion *c, int result)
{
    struct lifecycle *l = c->lifecycle;

    (void) pthread_mutex_lock(&l->mutex);
    c->result = result;
    c->done = true;
    (void) pthread_cond_broadcast(&l->changed);
    (void) pthread_mutex_unlock(&l->mutex);
}

int lifecycle_sleep(struct lifecycle *l, unsigned milliseconds)
{
    struct timespec until;
    bool stopping;

    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long) (milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void) pthread_mutex_lock(&l->mutex);
    while (!l->stopping)
        if (pthread_cond_timedwait(&l->changed, &l->mutex, &until) == ETIMEDOUT)
            break;
    stopping = l->stopping;
    (void) pthread_mutex_unlock(&l->mutex);
    return stopping ? -ECANCELED : 0;
}

bool lifecycle_stopping(struct lifecycle *l)
{
    bool stopping;

    (void) pthread_mutex_lock(&l->mutex);
    stopping = l->stopping;
    (void) pthread_mutex_unlock(&l->mutex);
    return stopping;
}

void lifecycle_stop(struct lifecycle *l, void (*cb)(void *data), void *data)
{
    (void) pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    l->stopped = cb;
    l->stopped_data = data;
    (void) pthread_cond_broadcast(&l->changed);
    (void) pthread_mutex_unlock(&l->mutex);
}
