/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "net/stream_private.h"

#define CHUNK (64U * 1024)
#define MUTE_SECONDS 1

static void on_mute_over(uv_timer_t *timer)
{
    stream_end(timer->data, false, -ECONNRESET, "the connection broke");
}

/* The peer takes nothing more. Why, it may have said before: that is read first. */
static void mute(struct stream *s)
{
    s->mute = true;
    if (s->state == STREAM_LINGERING)
        stream_linger(s);
    else
        (void) uv_timer_start(&s->deadline, on_mute_over, MUTE_SECONDS * 1000, 0);
}

static void on_stalled(uv_timer_t *timer)
{
    stream_end(timer->data, false, -ETIMEDOUT, "it takes nothing that is sent to it");
}

/* Of the chunk that is being written. Before and after that state the timer has other work, which ends the stream as well. */
void stream_watch_stall(struct stream *s)
{
    if (s->state != STREAM_UP || s->mute)
        return;
    if (s->writing)
        (void) uv_timer_start(&s->deadline, on_stalled, STREAM_STALL_SECONDS * 1000, 0);
    else
        (void) uv_timer_stop(&s->deadline);
}

static void on_written(uv_write_t *write, int status)
{
    struct stream *s = write->handle->data;

    free(s->chunk);
    s->chunk = NULL;
    s->writing = false;
    if (s->state == STREAM_GONE)
        return;
    if (status < 0) {
        mute(s);
        return;
    }
    stream_watch_stall(s);
    stream_flush(s);
    if (s->writing || s->mute)
        return;
    if (s->state == STREAM_LINGERING)
        stream_linger(s);
    else if (s->state == STREAM_UP && s->events.drained)
        s->events.drained(s->events.data);
}

/* Hands over one chunk of n bytes; what the kernel does not take at once waits in uv. */
static int send_chunk(struct stream *s, unsigned char *chunk, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *) chunk, (unsigned) n);
    int r = uv_try_write((uv_stream_t *) s->tcp, &buf, 1);

    if (r < 0 && r != UV_EAGAIN)
        return r;
    if (r > 0) {
        buf.base += r;
        buf.len -= (unsigned) r;
    }
    if (buf.len == 0) {
        free(chunk);
        return 0;
    }
    r = uv_write(&s->write, (uv_stream_t *) s->tcp, &buf, 1, on_written);
    if (r < 0)
        return r;
    s->chunk = chunk;
    s->writing = true;
    stream_watch_stall(s);
    return 0;
}

void stream_flush(struct stream *s)
{
    size_t n;

    while (!s->writing && !s->mute && (n = tls_pending(s->tls)) > 0) {
        unsigned char *chunk;

        n = n < CHUNK ? n : CHUNK;
        chunk = malloc(n);
        if (!chunk) {
            stream_end(s, false, -ENOMEM, "out of memory");
            return;
        }
        if (send_chunk(s, chunk, tls_take(s->tls, chunk, n)) < 0) {
            free(chunk);
            mute(s);
        }
    }
}

int stream_write(struct stream *s, const void *bytes, size_t size)
{
    int r;

    if (s->state != STREAM_UP)
        return -ENOTCONN;
    if (size > STREAM_PENDING_MAX)
        return -EMSGSIZE;
    if (s->mute)
        return -ENOTCONN;
    if (stream_pending(s) + size > STREAM_PENDING_MAX)
        return -EAGAIN;
    r = tls_write(s->tls, bytes, size);
    if (r < 0) {
        stream_end(s, false, r, tls_why(s->tls));
        return r == -ENOMEM ? -ENOMEM : -ENOTCONN;
    }
    stream_flush(s);
    return 0;
}

size_t stream_pending(const struct stream *s)
{
    if (!s->tls || s->mute)
        return 0;
    return tls_pending(s->tls) + (s->tcp ? uv_stream_get_write_queue_size((uv_stream_t *) s->tcp) : 0);
}
