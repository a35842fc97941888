/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "raft/advice.h"
#include "raft/record.h"
#include "raft/sealed_private.h"

struct loaded {
    raft_term term;
    raft_id vote;
    struct raft_snapshot *snapshot;
    raft_index start;
    struct raft_entry *entries;
    size_t n;
};

void sealed_loaded_free(struct raft_snapshot *snapshot, struct raft_entry *entries, size_t n)
{
    void *batch = NULL;

    if (snapshot)
        sealed_snapshot_destroy(snapshot);
    for (size_t i = 0; i < n; i++)
        if (entries[i].batch != batch) {
            batch = entries[i].batch;
            raft_free(batch);
        }
    raft_free(entries);
}

static int unreadable(struct sealed_io *s, int r, const char *what, uint64_t index)
{
    unsigned long long i = index;

    if (r == -ENOKEY)
        return error_set(&s->error, -EBADMSG, "%s: %s %llu is encrypted under a key that the key bundle does not hold: " RESTORE_OR_LEAVE,
                         s->folder, what, i);
    if (r == -EPROTONOSUPPORT)
        return error_set(&s->error, r, "%s: %s %llu " NEWER_VERSION, s->folder, what, i);
    return error_set(&s->error, r, "%s is damaged (%s %llu does not authenticate): " RESTORE_OR_LEAVE, s->folder, what, i);
}

static int open_snapshot(struct sealed_io *s, struct loaded *l)
{
    uint64_t index = l->snapshot ? l->snapshot->index : 0, term = l->snapshot ? l->snapshot->term : 0;
    int r;

    if (index != s->config.snapshot_index || term != s->config.snapshot_term) /* raft_uv takes an older one for one that it cannot read */
        return error_set(&s->error, -EBADMSG, "%s: the snapshot at entry %llu cannot be read: " RESTORE_OR_LEAVE, s->folder,
                         (unsigned long long) s->config.snapshot_index);
    if (!l->snapshot)
        return 0;
    r = sealed_snapshot_open(s->config.keyring, l->snapshot);
    return r < 0 ? unreadable(s, r, "the snapshot at entry", index) : 0;
}

static int open_entries(struct sealed_io *s, struct loaded *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct raft_entry *entry = &l->entries[i];
        const struct record_place place = { RECORD_ENTRY, (uint8_t) entry->type, l->start + i, entry->term };
        int r = record_open(s->config.keyring, &place, entry->buf.base, entry->buf.len, &entry->buf.base, &entry->buf.len);

        if (r < 0)
            return unreadable(s, r, "entry", l->start + i);
    }
    return 0;
}

static int check_mark(struct sealed_io *s, const struct loaded *l)
{
    const struct highwater_mark *mark = highwater_get(s->config.highwater);
    uint64_t last = l->start + l->n - 1, term = mark->term;

    if (last < mark->index)
        return error_set(&s->error, -EBADMSG, "%s ends at entry %llu, but entries up to %llu were stored: " RESTORE_OR_LEAVE, s->folder,
                         (unsigned long long) last, (unsigned long long) mark->index);
    if (mark->index >= l->start && l->n > 0)
        term = l->entries[mark->index - l->start].term;
    else if (l->snapshot && l->snapshot->index == mark->index)
        term = l->snapshot->term;
    if (mark->term != 0 && term != mark->term)
        return error_set(&s->error, -EBADMSG, "%s is not the log that was written here: " RESTORE_OR_LEAVE, s->folder);
    return 0;
}

/* raft_uv's own file counts only when it is newer. */
static void choose_vote(const struct highwater_mark *mark, struct loaded *l)
{
    if (l->term < mark->current_term || (l->term == mark->current_term && mark->vote != 0)) {
        l->term = mark->current_term;
        l->vote = mark->vote;
    }
}

static int open_all(struct sealed_io *s, struct loaded *l)
{
    int r = open_snapshot(s, l);

    if (r == 0)
        r = open_entries(s, l);
    if (r == 0)
        r = check_mark(s, l);
    return r;
}

static void show_all(const struct sealed_io *s, const struct loaded *l)
{
    if (!s->config.loaded)
        return;
    if (l->snapshot)
        s->config.loaded(s->config.data, true, l->snapshot->bufs[0].base, l->snapshot->bufs[0].len);
    for (size_t i = 0; i < l->n; i++)
        if (l->entries[i].type == RAFT_COMMAND)
            s->config.loaded(s->config.data, false, l->entries[i].buf.base, l->entries[i].buf.len);
}

int sealed_load(struct raft_io *io, raft_term *term, raft_id *vote, struct raft_snapshot **snapshot, raft_index *start,
                struct raft_entry **entries, size_t *n)
{
    struct sealed_io *s = sealed_of_outer(io);
    struct loaded l = { 0 };
    int rv = sealed_result(s, s->inner.load(&s->inner, &l.term, &l.vote, &l.snapshot, &l.start, &l.entries, &l.n));

    if (rv != 0) {
        s->load_error = error_set(&s->error, rv == RAFT_NOMEM ? -ENOMEM : -EBADMSG, "cannot load %s (%s): " RESTORE_OR_LEAVE, s->folder,
                                  s->inner.errmsg);
        return rv;
    }
    s->load_error = open_all(s, &l);
    if (s->load_error < 0) {
        sealed_loaded_free(l.snapshot, l.entries, l.n);
        return RAFT_CORRUPT;
    }
    show_all(s, &l);
    choose_vote(highwater_get(s->config.highwater), &l);
    s->next = l.start + l.n;
    *term = l.term;
    *vote = l.vote;
    *snapshot = l.snapshot;
    *start = l.start;
    *entries = l.entries;
    *n = l.n;
    return 0;
}
