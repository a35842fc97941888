/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/stream_private.h"
#include "net/wipe.h"

#define READ_SIZE (64U * 1024)

/* Ciphertext that TLS copies at once: one for all streams of a thread. */
static _Thread_local char incoming[READ_SIZE];

static void on_alloc(_unused_ uv_handle_t *handle, _unused_ size_t suggested, uv_buf_t *buf)
{
    *buf = uv_buf_init(incoming, sizeof(incoming));
}

static void fail(struct stream *s, int result)
{
    stream_end(s, true, result, tls_why(s->tls)); /* there may be an alert to send */
}

static void handshake(struct stream *s)
{
    int r = tls_handshake(s->tls);

    if (r < 0) {
        fail(s, r);
        return;
    }
    stream_flush(s);
    if (r == 0 || s->state != STREAM_HANDSHAKE)
        return;
    s->state = STREAM_UP;
    s->ready = true;
    stream_watch_stall(s);
    if (s->events.ready)
        s->events.ready(s->events.data, tls_peer(s->tls), tls_protocol(s->tls));
}

static bool wanted(const struct stream *s)
{
    return s->state == STREAM_UP && !s->paused;
}

static void hand_out(struct stream *s, unsigned char *bytes, size_t n)
{
    s->received_any = true;
    if (s->events.received)
        s->events.received(s->events.data, bytes, n);
    sodium_memzero(bytes, n);
}

static void hand_out_held(struct stream *s)
{
    unsigned char *held = s->held;
    size_t n = s->n_held;

    s->held = NULL; /* stream_unread may set it again */
    s->n_held = 0;
    hand_out(s, held, n);
    free(held);
}

/* Gives the owner all that there is. */
static void pump(struct stream *s)
{
    unsigned char bytes[STREAM_RECEIVED_MAX];

    if (s->state == STREAM_HANDSHAKE)
        handshake(s);
    while (wanted(s)) {
        int n;

        if (s->held) {
            hand_out_held(s);
            continue;
        }
        n = tls_read(s->tls, bytes, sizeof(bytes));
        if (n < 0)
            fail(s, n);
        if (n <= 0)
            break;
        hand_out(s, bytes, (size_t) n);
    }
    if (s->state == STREAM_UP)
        stream_flush(s); /* TLS answers some messages by itself */
}

static void on_end(struct stream *s, ssize_t status)
{
    if (s->state == STREAM_LINGERING) {
        s->peer_finished = true;
        stream_read_stop(s);
        stream_linger(s);
    } else if (s->state == STREAM_HANDSHAKE && (status == UV_EOF || status == UV_ECONNRESET))
        stream_end(s, false, -ECONNRESET, "it has closed the connection during the handshake");
    else if (status != UV_EOF)
        stream_end(s, false, -ECONNRESET, uv_strerror((int) status));
    else
        stream_end(s, false, -ECONNRESET, "the connection ended without a word");
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = tcp->data;

    if (n < 0) {
        on_end(s, n);
        return;
    }
    if (n == 0 || s->state == STREAM_LINGERING)
        return;
    if (s->state == STREAM_HANDSHAKE)
        s->received_any = true;
    if (tls_feed(s->tls, buf->base, (size_t) n) < 0) {
        stream_end(s, false, -ENOMEM, "out of memory");
        return;
    }
    pump(s);
    stream_read(s);
}

void stream_read(struct stream *s)
{
    if (!s->tcp || s->state == STREAM_GONE)
        return;
    if (s->state == STREAM_UP && s->paused)
        stream_read_stop(s);
    else /* it may be reading already */
        (void) uv_read_start((uv_stream_t *) s->tcp, on_alloc, on_read);
}

void stream_read_stop(struct stream *s)
{
    if (s->tcp)
        (void) uv_read_stop((uv_stream_t *) s->tcp);
}

static void on_wake(uv_timer_t *timer)
{
    struct stream *s = timer->data;

    pump(s);
    if (s->state == STREAM_UP)
        stream_read(s);
}

void stream_pause(struct stream *s)
{
    s->paused = true;
    if (s->state == STREAM_UP)
        stream_read_stop(s);
}

void stream_resume(struct stream *s)
{
    if (!s->paused)
        return;
    s->paused = false;
    if (s->state == STREAM_UP)
        (void) uv_timer_start(&s->wake, on_wake, 0, 0);
}

int stream_unread(struct stream *s, const void *bytes, size_t size)
{
    unsigned char *held;

    stream_pause(s);
    if (size == 0 || s->state != STREAM_UP)
        return 0;
    held = malloc(size);
    if (!held) {
        stream_end(s, false, -ENOMEM, "out of memory");
        return -ENOMEM;
    }
    memcpy(held, bytes, size);
    wipe_free(s->held, s->n_held);
    s->held = held;
    s->n_held = size;
    return 0;
}
