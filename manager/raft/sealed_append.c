/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "raft/record.h"
#include "raft/sealed_private.h"

#define TRUNCATE_SPARE (64UL * 1024)

/* One append under way: raft_uv wants the entries and their bytes to stay until its callback. */
struct sealed_append {
    struct raft_io_append req, *outer;
    raft_io_append_cb cb;
    struct sealed_io *io;
    struct sealed_append *next, **link;
    raft_index first, last; /* last: what may count as durable; lowered by a truncation meanwhile */
    struct raft_entry *entries;
    unsigned char *bytes;
};

static void append_link(struct sealed_append **list, struct sealed_append *a)
{
    a->next = *list;
    a->link = list;
    if (a->next)
        a->next->link = &a->next;
    *list = a;
}

static void append_unlink(struct sealed_append *a)
{
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
}

static void append_free(struct sealed_append *a)
{
    free(a->entries);
    free(a->bytes);
    free(a);
}

static int append_seal(struct sealed_append *a, const struct raft_entry entries[], unsigned n)
{
    size_t size = 0;
    unsigned char *at;

    for (unsigned i = 0; i < n; i++)
        size += RECORD_HEADER_SIZE + entries[i].buf.len;
    a->entries = calloc(n, sizeof(*a->entries));
    at = a->bytes = malloc(size);
    if (!a->entries || !a->bytes)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++) {
        const struct record_place place = { RECORD_ENTRY, (uint8_t) entries[i].type, a->first + i, entries[i].term };
        int r = record_seal(a->io->config.keyring, &place, entries[i].buf.base, entries[i].buf.len, at);

        if (r < 0)
            return r;
        a->entries[i] = entries[i];
        a->entries[i].batch = NULL;
        a->entries[i].buf = (struct raft_buffer) { at, RECORD_HEADER_SIZE + entries[i].buf.len };
        at += a->entries[i].buf.len;
    }
    a->io->appended += size;
    return 0;
}

static void on_appended(struct raft_io_append *req, int status)
{
    struct sealed_append *a = req->data;
    struct sealed_io *s = a->io;
    struct raft_io_append *outer = a->outer;
    raft_io_append_cb cb = a->cb;
    int r = 0;

    append_unlink(a);
    s->written = false;
    raft_uv_set_disk_retry(&s->inner, ALLOCATION_RETRY_MS);
    if (status == 0 && a->last >= a->first)
        r = highwater_advance(s->config.highwater, a->last, a->entries[a->last - a->first].term);
    append_free(a);
    if (r < 0 && r != -ENOSPC) /* a mark that lags is still a true one */
        sealed_fail(s, "cannot write the high-water file: %s", strerror(-r));
    cb(outer, status);
}

/* raft_uv's capacity is of the last turn of the loop; what was appended since counts too, or a burst would end up waiting for a segment. */
static void update_capacity(struct sealed_io *s)
{
    size_t used = s->appended / 1024;

    s->outer.capacity = s->inner.capacity > used ? (unsigned short) (s->inner.capacity - used) : 0;
}

int sealed_append(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct sealed_io *s = sealed_of_outer(io);
    struct sealed_append *a = calloc(1, sizeof(*a));
    int r, rv;

    if (!a) { /* the request is never answered: libraft frees the entry of a failed one twice */
        sealed_fail(s, "out of memory");
        return 0;
    }
    *a = (struct sealed_append) { .outer = req, .cb = cb, .io = s, .first = s->next, .last = s->next + n - 1 };
    a->req.data = a;
    req->cb = cb;
    s->next += n;
    append_link(s->failed ? &s->stuck : &s->appends, a);
    if (s->failed)
        return 0;
    r = append_seal(a, entries, n);
    rv = r < 0 ? 0 : sealed_result(s, s->inner.append(&s->inner, &a->req, a->entries, n, on_appended));
    update_capacity(s);
    if (r == 0 && rv == 0)
        return 0;
    append_unlink(a);
    append_link(&s->stuck, a);
    if (r < 0)
        sealed_fail(s, "cannot encrypt an entry: %s", strerror(-r));
    else
        sealed_fail(s, "cannot append to %s: %s", s->folder, s->inner.errmsg);
    return 0;
}

void sealed_append_forget(struct sealed_io *s, raft_index from)
{
    for (struct sealed_append *a = s->appends; a; a = a->next)
        if (a->last >= from)
            a->last = from > a->first ? from - 1 : a->first - 1;
}

/* raft_uv takes no notice of a truncation that failed and goes on to write what follows it, which makes a log that nobody can read. It
 * writes one segment anew. */
static bool has_room(const struct sealed_io *s)
{
    struct statvfs st;

    return statvfs(s->folder, &st) == 0 && (uint64_t) st.f_bavail * st.f_frsize >= s->config.segment_size + TRUNCATE_SPARE;
}

/* The mark comes down before the log does. */
int sealed_truncate(struct raft_io *io, raft_index index)
{
    struct sealed_io *s = sealed_of_outer(io);
    struct highwater_mark mark = *highwater_get(s->config.highwater);
    int r = 0;

    if (s->failed || index >= s->next)
        return 0;
    if (!has_room(s)) {
        sealed_fail(s, "cannot truncate %s: %s", s->folder, strerror(ENOSPC));
        return 0;
    }
    sealed_append_forget(s, index);
    s->next = index;
    if (mark.index >= index) {
        mark.index = index - 1;
        mark.term = 0;
        r = highwater_set(s->config.highwater, &mark);
    }
    if (r < 0)
        sealed_fail(s, "cannot write the high-water file: %s", strerror(-r));
    else if (sealed_result(s, s->inner.truncate(&s->inner, index)) != 0)
        sealed_fail(s, "cannot truncate %s: %s", s->folder, s->inner.errmsg);
    return 0;
}

void sealed_append_close(struct sealed_io *s)
{
    while (s->stuck) {
        struct sealed_append *a = s->stuck;

        append_unlink(a);
        a->cb(a->outer, RAFT_CANCELED);
        append_free(a);
    }
}
