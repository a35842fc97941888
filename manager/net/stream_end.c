/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/stream_private.h"
#include "net/wipe.h"

static void tell_closed(struct stream *s)
{
    char why[STREAM_ADDRESS_MAX + TLS_WHY_MAX + 2] = "";

    if (s->result < 0)
        (void) snprintf(why, sizeof(why), "%s: %s", s->address, s->why);
    if (s->events.closed)
        s->events.closed(s->events.data, s->result, why);
    if (s->gone) /* after it: that may have closed the listener */
        s->gone(s->gone_data);
}

static void release(struct stream *s)
{
    if (--s->handles > 0)
        return;
    tell_closed(s);
    (void) tls_free(s->tls);
    (void) identity_unref(s->identity);
    wipe_free(s->held, s->n_held);
    free(s);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;

    s->tcp = NULL;
    free(handle);
    release(s);
}

static void destroy(struct stream *s)
{
    if (s->state == STREAM_GONE)
        return;
    s->state = STREAM_GONE;
    dial_cancel(s->dial);
    s->dial = NULL;
    if (s->tcp)
        uv_close((uv_handle_t *) s->tcp, on_tcp_closed);
    uv_close((uv_handle_t *) &s->deadline, on_closed);
    uv_close((uv_handle_t *) &s->wake, on_closed);
}

static void on_linger_over(uv_timer_t *timer)
{
    destroy(timer->data);
}

static void on_finished(uv_shutdown_t *shutdown, int status)
{
    struct stream *s = shutdown->handle->data;

    if (status < 0 && s->state == STREAM_LINGERING)
        destroy(s);
}

/* First all that is written, then FIN, then the peer's: closing with bytes unread would make the kernel send a reset, which may overtake
 * what the peer has not read yet. */
void stream_linger(struct stream *s)
{
    if (s->writing || s->state != STREAM_LINGERING)
        return;
    if (s->peer_finished || s->mute) {
        destroy(s);
        return;
    }
    if (s->finishing)
        return;
    s->finishing = true;
    if (uv_shutdown(&s->shutdown, (uv_stream_t *) s->tcp, on_finished) < 0)
        destroy(s);
}

void stream_end(struct stream *s, bool clean, int result, const char *why)
{
    bool talking = s->state == STREAM_HANDSHAKE || s->state == STREAM_UP;

    if (s->state >= STREAM_LINGERING)
        return;
    s->result = result;
    (void) snprintf(s->why, sizeof(s->why), "%s", why);
    if (!clean || !talking || s->mute) {
        destroy(s);
        return;
    }
    tls_close(s->tls);
    s->state = STREAM_LINGERING;
    (void) uv_timer_stop(&s->wake);
    (void) uv_timer_start(&s->deadline, on_linger_over, STREAM_LINGER_SECONDS * 1000, 0);
    stream_read(s);
    stream_flush(s);
    stream_linger(s);
}

void stream_abort(struct stream *s, int result, const char *why)
{
    stream_end(s, false, result, why);
    destroy(s); /* a lingering one too */
}

void stream_close(struct stream *s)
{
    stream_end(s, true, 0, "");
}
