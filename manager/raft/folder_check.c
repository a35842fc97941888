/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "raft/advice.h"
#include "raft/bytes.h"
#include "raft/envelope.h"
#include "raft/folder.h"
#include "raft/membership.h"
#include "raft/segments.h"

#define META_HEAD_SIZE 32 /* format, checksum, index of the configuration, its size */
#define CONFIGURATION_MAX (1024 * 1024)

struct check {
    int dir;
    const char *path;
    const struct keyring *keyring;
    const struct highwater_mark *mark;
    struct error *e;
    struct folder files;
    struct folder_state state;
    const char *reading;          /* the file that is being read */
    uint64_t next;                /* index of the entry that comes next */
    const char *cut_name, *cut_by; /* the segment that raft_uv would cut, and why */
};

struct bytes {
    unsigned char *data;
    size_t size;
};

static void bytes_done(struct bytes *b)
{
    if (b->data)
        explicit_bzero(b->data, b->size);
    free(b->data);
}

static int damaged(const struct check *c, const char *what)
{
    return error_set(c->e, -EBADMSG, "%s/%s is damaged (%s): " RESTORE_OR_LEAVE, c->path, c->reading, what);
}

static int unreadable(const struct check *c, int r)
{
    switch (r) {
    case -EBADMSG:
        return damaged(c, "a record does not authenticate");
    case -ENOKEY:
        return error_set(c->e, -EBADMSG, "%s/%s is encrypted under a key that the key bundle does not hold: " RESTORE_OR_LEAVE,
                         c->path, c->reading);
    case -EPROTONOSUPPORT:
        return error_set(c->e, r, "%s/%s " NEWER_VERSION, c->path, c->reading);
    case -EMSGSIZE:
        return damaged(c, "it is too large");
    default:
        return error_set(c->e, r, "cannot read %s/%s: %s", c->path, c->reading, strerror(-r));
    }
}

static int check_meta_file(struct check *c, const struct folder_snapshot *s, struct bytes *ret, struct envelope *ret_envelope)
{
    size_t size;
    uint32_t crc;
    int r;

    r = folder_read(c->dir, c->reading, &ret->data, &ret->size);
    if (r < 0)
        return unreadable(c, r);
    if (ret->size < META_HEAD_SIZE || get_u64(ret->data) != 1)
        return damaged(c, "it has an unknown format");
    size = ret->size - META_HEAD_SIZE;
    crc = segment_crc(0, ret->data + 16, 16);
    crc = segment_crc(crc, ret->data + META_HEAD_SIZE, size);
    if (get_u64(ret->data + 24) != size || size > CONFIGURATION_MAX || get_u64(ret->data + 8) != crc)
        return damaged(c, "it does not match its checksum");
    if (membership_check(ret->data + META_HEAD_SIZE, size) < 0)
        return damaged(c, "it holds no membership");
    *ret_envelope = (struct envelope) { s->index, s->term, get_u64(ret->data + 16), ret->data + META_HEAD_SIZE, size };
    return 0;
}

static int check_meta(struct check *c, const struct folder_snapshot *s, struct bytes *ret, struct envelope *ret_envelope)
{
    char name[FOLDER_NAME_MAX + 8];
    int r;

    (void) snprintf(name, sizeof(name), "%s.meta", s->name);
    c->reading = name;
    r = check_meta_file(c, s, ret, ret_envelope);
    c->reading = s->name;
    return r;
}

static int check_snapshot(struct check *c, bool open_it)
{
    _cleanup_(bytes_done) struct bytes meta = { 0 }, record = { 0 };
    const struct folder_snapshot *s;
    struct envelope envelope;
    size_t size;
    void *state;
    int r;

    if (c->files.n_snapshots == 0)
        return 0;
    s = &c->files.snapshots[c->files.n_snapshots - 1];
    r = check_meta(c, s, &meta, &envelope);
    if (r < 0)
        return r;
    c->state.snapshot_index = s->index;
    c->state.snapshot_term = s->term;
    if (!open_it)
        return 0;
    c->reading = s->name;
    r = folder_read(c->dir, s->name, &record.data, &record.size);
    if (r == 0)
        r = envelope_open(c->keyring, &envelope, record.data, record.size, &state, &size);
    return r < 0 ? unreadable(c, r) : 0;
}

static int check_term(const struct check *c, uint64_t index, uint64_t term)
{
    if (index != c->mark->index || c->mark->term == 0 || term == c->mark->term)
        return 0;
    return error_set(c->e, -EBADMSG, "%s holds entry %llu of term %llu where one of term %llu was stored: it is not the log "
                     "that was written here; " RESTORE_OR_LEAVE,
                     c->path, (unsigned long long) index, (unsigned long long) term, (unsigned long long) c->mark->term);
}

static int check_entry(void *data, const struct segment_entry *entry)
{
    struct check *c = data;
    const struct record_place place = { RECORD_ENTRY, entry->type, c->next, entry->term };
    size_t size;
    void *plain;
    int r;

    r = check_term(c, c->next, entry->term);
    if (r < 0)
        return r;
    r = record_open(c->keyring, &place, entry->data, entry->size, &plain, &size);
    if (r < 0)
        return unreadable(c, r);
    c->next++;
    return 0;
}

static int read_segment(struct check *c, const struct folder_segment *s, struct bytes *ret, struct segment_end *end)
{
    int r;

    c->reading = s->name;
    r = folder_read(c->dir, s->name, &ret->data, &ret->size);
    if (r < 0)
        return unreadable(c, r);
    return segment_read(ret->data, ret->size, check_entry, c, end);
}

static int check_closed(struct check *c, const struct folder_segment *s)
{
    _cleanup_(bytes_done) struct bytes file = { 0 };
    struct segment_end end;
    int r;

    c->reading = s->name;
    if (s->first != c->next || s->last < s->first)
        return damaged(c, "it does not follow the segment before it");
    r = read_segment(c, s, &file, &end);
    if (r != 0)
        return r;
    if (end.defect)
        return damaged(c, end.defect);
    if (end.entries != s->last - s->first + 1 || end.offset != file.size)
        return damaged(c, "it holds other entries than its name says");
    return 0;
}

static int add_stumble(struct check *c, const char *name, uint64_t keep)
{
    struct folder_stumble *grown = realloc(c->state.stumbles, (c->state.n_stumbles + 1) * sizeof(*grown));

    if (!grown)
        return error_set(c->e, -ENOMEM, "out of memory");
    c->state.stumbles = grown;
    grown[c->state.n_stumbles].keep = keep;
    (void) snprintf(grown[c->state.n_stumbles++].name, FOLDER_NAME_MAX, "%s", name);
    return 0;
}

static int check_open(struct check *c, const struct folder_segment *s)
{
    _cleanup_(bytes_done) struct bytes file = { 0 };
    struct segment_end end;
    int r;

    r = read_segment(c, s, &file, &end);
    if (r != 0)
        return r;
    if (c->cut_name && (end.entries > 0 || end.defect)) { /* written to only when all before it was complete */
        c->reading = c->cut_name;
        return damaged(c, c->cut_by);
    }
    if (!end.defect && file.size > 0 && file.size < SEGMENT_START)
        return damaged(c, "it is too short");
    if (end.defect) {
        c->cut_name = s->name;
        c->cut_by = end.defect;
    }
    if (end.offset > 0)
        return end.stumble ? add_stumble(c, s->name, end.offset) : 0;
    /* The first write to it was torn by a power cut, its first block is not there: nothing in it was ever acknowledged. */
    if (end.defect && file.size >= SEGMENT_START && get_u64(file.data) == 0)
        return add_stumble(c, s->name, 0);
    return end.defect ? damaged(c, end.defect) : 0;
}

/* Closed segments that do not count any more are set aside; raft_uv need not be asked what it makes of them. */
static int set_aside(struct check *c, size_t from, size_t to)
{
    struct folder *f = &c->files;

    for (size_t i = from; i < to; i++) {
        int r = add_stumble(c, f->segments[i].name, 0);

        if (r < 0)
            return r;
    }
    memmove(f->segments + from, f->segments + to, (f->n_segments - to) * sizeof(f->segments[0]));
    f->n_segments -= to - from;
    f->n_closed -= to - from;
    return 0;
}

/* raft_uv truncates within a segment by writing the shorter one beside it, and removes the longer one then. The longer one holds all. */
static int forget_shorter(struct check *c)
{
    const struct folder_segment *s = c->files.segments;

    for (size_t i = 0; i + 1 < c->files.n_closed;) {
        int r = s[i].first == s[i + 1].first ? set_aside(c, i, i + 1) : 1;

        if (r < 0)
            return r;
        i += (size_t) r;
    }
    return 0;
}

/* The first segment of the longest run without gaps that ends with the one before end. */
static size_t run_start(const struct check *c, size_t end)
{
    const struct folder_segment *s = c->files.segments;

    for (; end > 1; end--)
        if (s[end - 2].last + 1 != s[end - 1].first)
            break;
    return end - 1;
}

/* The entries before the newest run are missing, which a crash leaves when raft_uv was removing segments: of a log that a leader's snapshot
 * has replaced, or behind a truncation. The mark had come down before. Leaves the run before the gap, or none. */
static int mend_gap(struct check *c)
{
    const struct folder_segment *s = c->files.segments;
    uint64_t snapshot = c->state.snapshot_index, end = snapshot;
    size_t n = c->files.n_closed, start = run_start(c, n), keep = 0;

    if (s[start].first <= snapshot + 1)
        return 0;
    if (start > 0 && s[run_start(c, start)].first <= snapshot + 1 && s[start - 1].last >= snapshot) {
        keep = start;
        end = s[start - 1].last;
    }
    c->reading = s[start].name;
    if (end == 0 || c->mark->index > end)
        return damaged(c, "the entries before it are missing");
    return set_aside(c, keep, n);
}

struct term_at {
    uint64_t number, term;
};

static int on_term(void *data, const struct segment_entry *entry)
{
    struct term_at *at = data;

    if (entry->number == at->number)
        at->term = entry->term;
    return 0;
}

/* 0: it is not in the segment. */
static int read_term(struct check *c, const struct folder_segment *s, uint64_t index, uint64_t *ret)
{
    _cleanup_(bytes_done) struct bytes file = { 0 };
    struct term_at at = { index - s->first, 0 };
    struct segment_end end;
    int r;

    c->reading = s->name;
    r = folder_read(c->dir, s->name, &file.data, &file.size);
    if (r == 0)
        r = segment_read(file.data, file.size, on_term, &at, &end);
    if (r < 0)
        return unreadable(c, r);
    *ret = at.term;
    return 0;
}

/* 1: the log is not the one that the newest snapshot belongs to: its entry there, or the first behind it, has a term that it cannot have. */
static int is_of_other_history(struct check *c, size_t start)
{
    uint64_t snapshot = c->state.snapshot_index, term = 0;
    const struct folder_segment *s = c->files.segments;
    bool behind;
    int r;

    while (start + 1 < c->files.n_closed && s[start].last < snapshot)
        start++;
    behind = s[start].first > snapshot;
    r = read_term(c, &s[start], behind ? s[start].first : snapshot, &term);
    if (r < 0 || term == 0)
        return r;
    return behind ? term < c->state.snapshot_term : term != c->state.snapshot_term;
}

/* 1: a leader's snapshot was stored over a log that is not its continuation, and the process ended before that was removed. */
static int is_superseded(struct check *c)
{
    uint64_t snapshot = c->state.snapshot_index;
    size_t n = c->files.n_closed;
    int r;

    if (snapshot == 0)
        return 0;
    if (c->files.segments[n - 1].last < snapshot)
        return 1;
    r = is_of_other_history(c, run_start(c, n));
    if (r == 1 && c->mark->index > snapshot) /* it came down to the snapshot before that was stored */
        return damaged(c, "it is not the log that the newest snapshot belongs to");
    return r;
}

/* The closed segments that raft_uv will load: the longest run without gaps that reaches the newest. */
static int choose_closed(struct check *c, size_t *ret_first)
{
    int r;

    c->next = c->state.snapshot_index + 1;
    *ret_first = 0;
    r = forget_shorter(c);
    if (r == 0 && c->files.n_closed > 0)
        r = is_superseded(c);
    if (r == 1)
        return set_aside(c, 0, c->files.n_closed);
    if (r == 0 && c->files.n_closed > 0)
        r = mend_gap(c);
    if (r < 0 || c->files.n_closed == 0)
        return r;
    *ret_first = run_start(c, c->files.n_closed);
    c->next = c->files.segments[*ret_first].first;
    return 0;
}

static int check_end(struct check *c)
{
    uint64_t last = c->next - 1;
    int r;

    r = check_term(c, c->state.snapshot_index, c->state.snapshot_term);
    if (r < 0 || last >= c->mark->index)
        return r;
    return error_set(c->e, -EBADMSG, "%s%s%s ends at entry %llu%s%s%s, but entries up to %llu were stored: " RESTORE_OR_LEAVE, c->path,
                     c->cut_name ? "/" : "", c->cut_name ? c->cut_name : "", (unsigned long long) last, c->cut_by ? " (" : "",
                     c->cut_by ? c->cut_by : "", c->cut_by ? ")" : "", (unsigned long long) c->mark->index);
}

static int check_log(struct check *c)
{
    size_t first = 0;
    bool full;
    int r;

    r = check_snapshot(c, false);
    if (r == 0)
        r = choose_closed(c, &first);
    if (r < 0)
        return r;
    full = c->files.n_segments > c->files.n_closed || c->state.n_stumbles > 0;
    if (!full) {
        if (first < c->files.n_closed)
            c->next = c->files.segments[c->files.n_closed - 1].last + 1;
        return check_end(c);
    }
    r = check_snapshot(c, true);
    for (; r == 0 && first < c->files.n_closed; first++)
        r = check_closed(c, &c->files.segments[first]);
    for (size_t i = c->files.n_closed; r == 0 && i < c->files.n_segments; i++)
        r = check_open(c, &c->files.segments[i]);
    return r < 0 ? r : check_end(c);
}

int folder_check(const char *path, const struct keyring *k, const struct highwater_mark *mark, struct folder_state *ret,
                 struct error *e)
{
    _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct check c = { .dir = dir, .path = path, .keyring = k, .mark = mark, .e = e };
    int r;

    if (dir < 0)
        return error_set(e, errno == ENOENT ? -EBADMSG : -errno, "cannot open %s: %s; " RESTORE_OR_LEAVE, path, strerror(errno));
    r = folder_list(dir, &c.files);
    r = r < 0 ? error_set(e, r, "cannot list %s: %s", path, strerror(-r)) : check_log(&c);
    folder_done(&c.files);
    if (r < 0) {
        folder_state_done(&c.state);
        return r;
    }
    *ret = c.state;
    return 0;
}

void folder_state_done(struct folder_state *s)
{
    free(s->stumbles);
    *s = (struct folder_state) { 0 };
}
