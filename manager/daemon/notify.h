/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

/* What the service manager is told (sd_notify(3)): readiness, status, and while a person is awaited, that the start goes on. */
struct notify {
    uv_timer_t timer, watchdog;
    bool ready;
};

void notify_init(struct notify *n, uv_loop_t *loop);
void notify_status(struct notify *n, bool ready, const char *status);
void notify_close(struct notify *n);
