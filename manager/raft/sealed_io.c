/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "raft/aio_destroy.h"
#include "raft/erasing_heap.h"
#include "raft/sealed_private.h"

#define NEVER UINT_MAX
#define FLUSH_TICKS 10 /* about a second */

int sealed_errno(int rv)
{
    switch (rv) {
    case 0:
        return 0;
    case RAFT_NOMEM:
        return -ENOMEM;
    case RAFT_NOTLEADER:
    case RAFT_NOCONNECTION:
        return -ENOTCONN;
    case RAFT_NOSPACE:
        return -ENOSPC;
    case RAFT_CANCELED:
    case RAFT_LEADERSHIPLOST:
    case RAFT_SHUTDOWN:
        return -ECANCELED;
    case RAFT_CORRUPT:
    case RAFT_MALFORMED:
        return -EBADMSG;
    default:
        return -EIO;
    }
}

int sealed_result(struct sealed_io *s, int rv)
{
    if (rv != 0)
        memcpy(s->outer.errmsg, s->inner.errmsg, sizeof(s->outer.errmsg));
    return rv;
}

void sealed_fail(struct sealed_io *s, const char *format, ...)
{
    char why[ERROR_TEXT_MAX];
    va_list ap;

    if (s->failed)
        return;
    s->failed = true;
    va_start(ap, format);
    (void) vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    s->config.failed(s->config.data, why);
}

static int sealed_init(struct raft_io *io, raft_id id, const char *address)
{
    struct sealed_io *s = sealed_of_outer(io);

    s->inner.data = io->data; /* the struct raft: raft_uv hands completed requests to it */
    return sealed_result(s, s->inner.init(&s->inner, id, address));
}

static void on_flush(uv_work_t *work)
{
    struct sealed_io *s = work->data;

    s->flush_result = highwater_flush(s->config.highwater);
}

static void on_flushed(uv_work_t *work, int status)
{
    struct sealed_io *s = work->data;

    s->flushing = false;
    highwater_flush_end(s->config.highwater, status < 0 ? status : s->flush_result);
    sealed_pending_done(s);
}

static void maybe_flush(struct sealed_io *s)
{
    if (++s->ticks < FLUSH_TICKS || s->flushing || s->closing || !highwater_is_dirty(s->config.highwater))
        return;
    s->flush.data = s;
    if (uv_queue_work(s->config.loop, &s->flush, on_flush, on_flushed) < 0)
        return;
    highwater_flush_begin(s->config.highwater);
    s->flushing = true;
    s->pending++;
    s->ticks = 0;
}

static void on_tick(struct raft_io *io)
{
    struct sealed_io *s = sealed_of_inner(io);

    maybe_flush(s);
    if (s->failed)
        return;
    sealed_tick(s);
    s->config.turned(s->config.data);
}

static void on_check(uv_check_t *check)
{
    struct sealed_io *s = check->data;

    s->outer.capacity = s->inner.capacity;
    s->appended = 0;
    sealed_send_failed(s);
    if (s->written && !s->closing)
        sealed_fail(s, "cannot write to %s: %s", s->folder, s->inner.errmsg);
    sealed_tell_commits(s);
    s->config.checked(s->config.data);
}

static int sealed_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct sealed_io *s = sealed_of_outer(io);
    int rv;

    s->tick = tick;
    s->recv = recv;
    s->started = true;
    /* Handles of a kind run in the reverse order of their start: this one after raft_uv's, which updates the capacity. */
    s->check.data = s;
    (void) uv_check_init(s->config.loop, &s->check);
    (void) uv_check_start(&s->check, on_check);
    rv = sealed_result(s, s->inner.start(&s->inner, msecs, on_tick, sealed_on_recv));
    s->outer.capacity = s->inner.capacity;
    return rv;
}

/* raft_uv retries a failed write through the wrong timer and then takes its own state for a segment, so the retry must never come; the
 * same delay serves for the allocation of segments, where it works. The end of each write is traced before its result is looked at. */
static void on_trace(struct raft_tracer *t, int type, _unused_ const void *info)
{
    struct sealed_io *s = t->impl;

    if (type != RAFT_UV_TRACER_WRITE_COMPLETE)
        return;
    s->written = true;
    raft_uv_set_disk_retry(&s->inner, NEVER);
}

/* Term and vote go to the high-water file first: it has checksums, and sealed_load prefers it. */
static int store_vote(struct sealed_io *s, raft_term term, raft_id vote)
{
    struct highwater_mark mark = *highwater_get(s->config.highwater);
    int r;

    if (s->failed)
        return RAFT_IOERR;
    mark.current_term = term;
    mark.vote = vote;
    r = highwater_set(s->config.highwater, &mark);
    if (r < 0)
        sealed_fail(s, "cannot write the high-water file: %s", strerror(-r));
    return r < 0 ? RAFT_IOERR : 0;
}

static int sealed_set_term(struct raft_io *io, raft_term term)
{
    struct sealed_io *s = sealed_of_outer(io);
    int rv = store_vote(s, term, 0);

    if (rv == 0)
        rv = sealed_result(s, s->inner.set_term(&s->inner, term));
    if (rv != 0)
        sealed_fail(s, "cannot store a term in %s: %s", s->folder, s->inner.errmsg);
    return rv;
}

static int sealed_set_vote(struct raft_io *io, raft_id id)
{
    struct sealed_io *s = sealed_of_outer(io);
    int rv = store_vote(s, highwater_get(s->config.highwater)->current_term, id);

    if (rv == 0)
        rv = sealed_result(s, s->inner.set_vote(&s->inner, id));
    if (rv != 0)
        sealed_fail(s, "cannot store a vote in %s: %s", s->folder, s->inner.errmsg);
    return rv;
}

static raft_time sealed_time(struct raft_io *io)
{
    struct sealed_io *s = sealed_of_outer(io);

    return s->inner.time(&s->inner);
}

/* What libraft seeds its election time-outs with. raft_uv's own is made of the id and the time: two members that start within a millisecond
 * may have the same, and then stand against each other in every election. */
static int sealed_random(_unused_ struct raft_io *io, int min, int max)
{
    return min + (int) randombytes_uniform((uint32_t) (max - min));
}

/* A log is made by replica_bootstrap: raft_uv would write the membership in clear. */
static int sealed_refuse(_unused_ struct raft_io *io, _unused_ const struct raft_configuration *conf)
{
    return RAFT_INVALID;
}

void sealed_pending_done(struct sealed_io *s)
{
    if (--s->pending > 0 || !s->closing)
        return;
    sealed_append_close(s);
    sealed_send_failed(s);
    sealed_recv_close(s);
    (void) highwater_sync(s->config.highwater);
    s->close_cb(&s->outer);
}

static void on_check_closed(uv_handle_t *handle)
{
    sealed_pending_done(handle->data);
}

static void on_inner_closed(struct raft_io *io)
{
    sealed_pending_done(sealed_of_inner(io));
}

static void sealed_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct sealed_io *s = sealed_of_outer(io);

    s->closing = true;
    s->close_cb = cb;
    s->pending += 2;
    s->inner.close(&s->inner, on_inner_closed);
    if (s->started)
        uv_close((uv_handle_t *) &s->check, on_check_closed);
    else
        sealed_pending_done(s);
}

static void fill_methods(struct raft_io *io)
{
    *io = (struct raft_io) {
        .version = 2,
        .init = sealed_init,
        .close = sealed_close,
        .load = sealed_load,
        .start = sealed_start,
        .bootstrap = sealed_refuse,
        .recover = sealed_refuse,
        .set_term = sealed_set_term,
        .set_vote = sealed_set_vote,
        .append = sealed_append,
        .truncate = sealed_truncate,
        .send = sealed_send,
        .snapshot_put = sealed_snapshot_put,
        .snapshot_get = sealed_snapshot_get,
        .time = sealed_time,
        .random = sealed_random,
    };
}

int sealed_io_new(const struct sealed_io_config *config, struct sealed_io **ret, struct error *e)
{
    struct sealed_io *s = calloc(1, sizeof(*s));
    char *folder = strdup(config->folder);
    int rv;

    aio_destroy_install();
    erasing_heap_install();
    if (!s || !folder) {
        free(s);
        free(folder);
        return error_set(e, -ENOMEM, "out of memory");
    }
    s->config = *config;
    s->folder = folder;
    s->next = 1;
    fill_methods(&s->outer);
    rv = raft_uv_init(&s->inner, config->loop, folder, config->transport);
    if (rv != 0) {
        int r = error_set(e, sealed_errno(rv), "cannot use %s: %s", folder, s->inner.errmsg);

        free(s);
        free(folder);
        return r;
    }
    s->tracer = (struct raft_tracer) { .impl = s, .version = 2, .emit = on_trace };
    raft_uv_set_tracer(&s->inner, &s->tracer);
    if (config->segment_size > 0)
        raft_uv_set_segment_size(&s->inner, config->segment_size);
    raft_uv_set_disk_retry(&s->inner, ALLOCATION_RETRY_MS);
    raft_uv_set_connect_retry_delay(&s->inner, 200);
    raft_uv_set_auto_recovery(&s->inner, false);
    *ret = s;
    return 0;
}

void sealed_io_free(struct sealed_io *s)
{
    if (!s)
        return;
    raft_uv_close(&s->inner);
    free(s->folder);
    free(s);
}

void sealed_io_stop(struct sealed_io *s)
{
    s->failed = true;
}

struct raft_io *sealed_io_get(struct sealed_io *s)
{
    return &s->outer;
}

int sealed_io_load_error(const struct sealed_io *s, struct error *e)
{
    return s->load_error == 0 ? 0 : error_set(e, s->load_error, "%s", s->error.text);
}

bool sealed_io_starved(const struct sealed_io *s)
{
    return s->inner.capacity == 0 && !s->appends;
}
