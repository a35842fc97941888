/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "basic/cleanup.h"

/* The thread on which whole operations (init, unlock, rotate, …) run one after the other as plain sequences of blocking steps. What belongs
 * to the loop's thread (the store, the replica, the state) they reach through lifecycle_on_loop only. */
struct lifecycle;

#define LIFECYCLE_QUEUE_MAX 16

int lifecycle_new(uv_loop_t *loop, struct lifecycle **ret);

/* Loop thread. job runs on the lifecycle thread, done on the loop's. -EAGAIN when LIFECYCLE_QUEUE_MAX jobs wait, -ESHUTDOWN once stopped. */
int lifecycle_submit(struct lifecycle *l, int (*job)(void *data), void (*done)(void *data, int result), void *data);

struct completion;

/* Lifecycle thread. Runs start on the loop's thread and waits until something there calls completion_done, whose result it returns. */
int lifecycle_on_loop(struct lifecycle *l, void (*start)(void *data, struct completion *c), void *data);
void completion_done(struct completion *c, int result);

/* Lifecycle thread. -ECANCELED as soon as lifecycle_stop is called. */
int lifecycle_sleep(struct lifecycle *l, unsigned milliseconds);
bool lifecycle_stopping(struct lifecycle *l);

/* Loop thread. Lets the running job end, drops the waiting ones (their done gets -ECANCELED), then frees and calls cb. */
void lifecycle_stop(struct lifecycle *l, void (*cb)(void *data), void *data);
