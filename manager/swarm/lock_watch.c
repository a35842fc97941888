/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/lock_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"

#define SETTLE_MS 1000

struct lock_watch {
    uv_fs_event_t event;
    uv_timer_t settle;
    char path[PATH_MAX];
    void (*changed)(void *data);
    void *data;
};

static void on_settled(uv_timer_t *settle)
{
    struct lock_watch *w = settle->data;

    lock_watch_start(w);
    w->changed(w->data);
}

void lock_watch_touch(struct lock_watch *w)
{
    if (!uv_is_active((uv_handle_t *) &w->settle))
        (void) uv_timer_start(&w->settle, on_settled, SETTLE_MS, 0);
}

static void on_event(uv_fs_event_t *event, const char *name _unused_, int kinds _unused_, int status _unused_)
{
    lock_watch_touch(event->data);
}

int lock_watch_new(uv_loop_t *loop, const char *path, void (*changed)(void *data), void *data, struct lock_watch **ret)
{
    struct lock_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    (void) strncpy(w->path, path, sizeof(w->path) - 1);
    w->changed = changed;
    w->data = data;
    (void) uv_fs_event_init(loop, &w->event);
    (void) uv_timer_init(loop, &w->settle);
    w->event.data = w->settle.data = w;
    *ret = w;
    return 0;
}

/* The inode may be another one than before. */
void lock_watch_start(struct lock_watch *w)
{
    (void) uv_fs_event_stop(&w->event);
    (void) uv_fs_event_start(&w->event, on_event, w->path, 0);
}

static void on_settle_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_event_closed(uv_handle_t *handle)
{
    struct lock_watch *w = handle->data;

    uv_close((uv_handle_t *) &w->settle, on_settle_closed);
}

void lock_watch_close(struct lock_watch *w)
{
    uv_close((uv_handle_t *) &w->event, on_event_closed);
    (void) uv_timer_stop(&w->settle);
}
