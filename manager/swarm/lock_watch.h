/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <uv.h>

/* Tells when something wrote to the lock, this process included: a program that fails in the midst of a change may put its older copy of the
 * whole header back, as clevis-luks-bind(1) does. Loop's thread. */
struct lock_watch;

/* changed comes a second after a write, so at most once a second. path is copied. */
int lock_watch_new(uv_loop_t *loop, const char *path, void (*changed)(void *data), void *data, struct lock_watch **ret);

/* The file that is at the path now is watched; without one, nothing is. */
void lock_watch_start(struct lock_watch *w);

/* As if something had written to it. */
void lock_watch_touch(struct lock_watch *w);

/* Ends on the loop; changed does not come any more. */
void lock_watch_close(struct lock_watch *w);
