/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/notify.h"

#include <systemd/sd-daemon.h>

#include "basic/cleanup.h"

#define EXTEND_EVERY_MS 10000
#define EXTEND_BY_USEC 30000000

/* A loop that hangs stops asking for time, and is killed when the last extension ends. */
static void extend(uv_timer_t *timer)
{
    struct notify *n = timer->data;

    if (!n->ready)
        (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d", EXTEND_BY_USEC);
}

static void ping(uv_timer_t *timer _unused_)
{
    (void) sd_notify(0, "WATCHDOG=1");
}

void notify_init(struct notify *n, uv_loop_t *loop)
{
    uint64_t watchdog;

    n->ready = false;
    (void) uv_timer_init(loop, &n->timer);
    (void) uv_timer_init(loop, &n->watchdog);
    n->timer.data = n;
    (void) uv_timer_start(&n->timer, extend, 0, EXTEND_EVERY_MS);
    if (sd_watchdog_enabled(0, &watchdog) > 0)
        (void) uv_timer_start(&n->watchdog, ping, 0, watchdog / 1000 / 3);
}

void notify_status(struct notify *n, bool ready, const char *status)
{
    if (ready && !n->ready) {
        n->ready = true;
        (void) uv_timer_stop(&n->timer);
        (void) sd_notifyf(0, "READY=1\nSTATUS=%s", status);
    } else
        (void) sd_notifyf(0, "STATUS=%s", status);
}

void notify_close(struct notify *n)
{
    (void) sd_notify(0, "STOPPING=1");
    uv_close((uv_handle_t *) &n->timer, NULL);
    uv_close((uv_handle_t *) &n->watchdog, NULL);
}
