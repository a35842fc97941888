/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "raft/folder.h"
#include "raft/replica_private.h"

#define PATIENCE_MS 60000
#define ROUNDS_MAX 8

/* raft_uv closes the open segments for each snapshot that it stores, keeps the newest two snapshots, and removes the segments that end
 * before the newest one and the trailing entries. So with no more than one trailing entry the second snapshot from now removes
 * everything older than the first one. Whether it did is looked at. */
struct rewrite {
    struct replica *replica;
    replica_cb cb;
    void *data;
    uint32_t key_id;
    unsigned snapshots; /* taken under key_id since the begin */
    unsigned rounds;
    uint64_t deadline;
    unsigned pushes;    /* entries that are to be appended before the next snapshot */
    bool pushing, scan_due, scanning, answered;
    uv_work_t scan;
    int found;
};

static void rewrite_end(struct rewrite *w, int result)
{
    struct replica *r = w->replica;
    replica_cb cb = w->cb;
    void *data = w->data;

    w->answered = true;
    if (!r->closing)
        replica_set_snapshots(r, r->config.snapshot_threshold);
    if (!w->scanning) {
        r->rewrite = NULL;
        free(w);
    }
    cb(data, result);
}

static void on_pushed(void *data, int result)
{
    struct replica *r = data;

    if (!r->rewrite || r->rewrite->answered)
        return;
    r->rewrite->pushing = false;
    if (result < 0)
        r->rewrite->pushes++;
    replica_wake(r);
}

/* One entry to have something newer than the segments that were just cut, another one because libraft looks whether a snapshot is due
 * before it applies what was committed. */
static void want_snapshot(struct rewrite *w)
{
    replica_set_snapshots(w->replica, 1);
    w->pushes = 2;
    w->deadline = uv_now(w->replica->config.loop) + PATIENCE_MS;
}

static void on_scan(uv_work_t *work)
{
    struct rewrite *w = work->data;
    const char *folder = w->replica->folder;

    w->found = folder_remove_aside(folder);
    if (w->found == 0)
        w->found = folder_only_key(folder, w->key_id);
}

static void on_scanned(uv_work_t *work, int status)
{
    struct rewrite *w = work->data;
    struct replica *r = w->replica;

    w->scanning = false;
    if (w->answered) {
        r->rewrite = NULL;
        free(w);
        replica_wake(r);
    } else if (status == 0 && w->found == 0)
        rewrite_end(w, 0);
    else if (++w->rounds >= ROUNDS_MAX)
        rewrite_end(w, w->found < 0 ? w->found : -EIO);
    else if (w->found == 1)
        want_snapshot(w);
    else
        w->scan_due = true; /* a file was renamed or removed under the reader */
}

static void begin_scan(struct rewrite *w)
{
    w->scan.data = w;
    if (uv_queue_work(w->replica->config.loop, &w->scan, on_scan, on_scanned) < 0) {
        rewrite_end(w, -ENOMEM);
        return;
    }
    w->scanning = true;
    w->scan_due = false;
}

void rewrite_snapshot_taken(struct replica *r, uint32_t key_id, int status)
{
    struct rewrite *w = r->rewrite;

    if (!w || w->answered || w->scanning || w->scan_due)
        return;
    if (status == 0 && key_id == w->key_id)
        w->snapshots++;
    else
        w->rounds++;
    if (w->snapshots >= 2) {
        replica_set_snapshots(r, r->config.snapshot_threshold);
        w->pushes = 0;
        w->scan_due = true;
    } else
        want_snapshot(w);
    replica_wake(r);
}

static void push(struct rewrite *w)
{
    struct replica *r = w->replica;

    w->pushing = true;
    w->pushes--;
    if (request_push(r, on_pushed, r) == 0)
        return;
    w->pushing = false;
    w->pushes++; /* again in the next turn of the loop: raft_uv prepares a segment */
    if (!replica_has_room(r))
        rewrite_end(w, -ENOSPC);
}

void rewrite_turn(struct replica *r)
{
    struct rewrite *w = r->rewrite;

    if (!w || w->answered || w->scanning)
        return;
    if (w->rounds >= ROUNDS_MAX)
        rewrite_end(w, -EIO);
    else if (uv_now(r->config.loop) >= w->deadline)
        rewrite_end(w, replica_has_room(r) ? -ETIMEDOUT : -ENOSPC);
    else if (w->scan_due)
        begin_scan(w);
    else if (w->pushes > 0 && !w->pushing && replica_is_leader(r))
        push(w);
}

void rewrite_cancel(struct replica *r)
{
    if (r->rewrite && !r->rewrite->answered)
        rewrite_end(r->rewrite, -ECANCELED);
}

void replica_rewrite_cancel(struct replica *r)
{
    rewrite_cancel(r);
}

bool rewrite_idle(const struct replica *r)
{
    return !r->rewrite;
}

int replica_rewrite(struct replica *r, replica_cb cb, void *data)
{
    struct rewrite *w;

    if (r->failed || r->closing)
        return -ENOTCONN;
    if (r->rewrite)
        return -EALREADY;
    w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    *w = (struct rewrite) { .replica = r, .cb = cb, .data = data, .key_id = keyring_active(r->config.keyring) };
    r->rewrite = w;
    want_snapshot(w);
    replica_wake(r);
    return 0;
}
