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
#include "raft/segments.h"

#define META_HEAD_SIZE 32 /* format, checksum, index of the configuration, its size */
#define ZEROS 4096 /* enough for raft_uv to see that nothing follows */
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

/* raft_configuration_decode trusts what it is given: format, number of servers, and for each its id, its address and its role. */
static bool configuration_valid(const unsigned char *data, size_t size)
{
    size_t at = 9;
    uint64_t n;

    if (size < at || data[0] != 1)
        return false;
    n = get_u64(data + 1);
    for (; n > 0; n--) {
        const unsigned char *end;

        if (size - at < 8)
            return false;
        at += 8;
        end = memchr(data + at, 0, size - at);
        if (!end || end + 1 == data + size || end[1] > 2)
            return false;
        at = (size_t) (end + 2 - data);
    }
    return size - at < 8;
}

static int check_meta(struct check *c, const struct folder_snapshot *s, struct bytes *ret, struct envelope *ret_envelope)
{
    char name[FOLDER_NAME_MAX + 8];
    size_t size;
    uint32_t crc;
    int r;

    (void) snprintf(name, sizeof(name), "%s.meta", s->name);
    c->reading = name;
    r = folder_read(c->dir, name, &ret->data, &ret->size);
    if (r < 0)
        return unreadable(c, r);
    if (ret->size < META_HEAD_SIZE || get_u64(ret->data) != 1)
        return damaged(c, "it has an unknown format");
    size = ret->size - META_HEAD_SIZE;
    crc = segment_crc(0, ret->data + 16, 16);
    crc = segment_crc(crc, ret->data + META_HEAD_SIZE, size);
    if (get_u64(ret->data + 24) != size || size > CONFIGURATION_MAX || get_u64(ret->data + 8) != crc)
        return damaged(c, "it does not match its checksum");
    if (!configuration_valid(ret->data + META_HEAD_SIZE, size))
        return damaged(c, "it holds no membership");
    c->reading = s->name;
    *ret_envelope = (struct envelope) { s->index, s->term, get_u64(ret->data + 16), ret->data + META_HEAD_SIZE, size };
    return 0;
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
    if (r < 0)
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
    if (r < 0)
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

/* The closed segments that raft_uv will load: the longest run without gaps that reaches the newest. */
static int choose_closed(struct check *c, size_t *ret_first)
{
    const struct folder_segment *s = c->files.segments;
    size_t first = c->files.n_closed;
    int r;

    c->next = c->state.snapshot_index + 1;
    if (first > 0 && s[first - 1].last < c->state.snapshot_index) {
        /* The snapshot was installed over an older log, and the process ended before it had removed that. */
        for (size_t i = 0; i < c->files.n_closed; i++) {
            r = add_stumble(c, s[i].name, 0);
            if (r < 0)
                return r;
        }
    } else if (first > 0) {
        first--;
        while (first > 0 && (c->state.snapshot_index == 0 || s[first - 1].last + 1 == s[first].first))
            first--;
        c->reading = s[first].name;
        if (s[first].first > c->next)
            return damaged(c, "the entries before it are missing");
        c->next = s[first].first;
    }
    *ret_first = first;
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

static int file_cut(int dir, const char *name, uint64_t keep)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 || ftruncate(fd, (off_t) keep) < 0 || ftruncate(fd, (off_t) keep + ZEROS) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int file_set_aside(int dir, const char *name)
{
    char aside[sizeof(FOLDER_ASIDE) + FOLDER_NAME_MAX];

    (void) snprintf(aside, sizeof(aside), FOLDER_ASIDE "%s", name);
    return renameat(dir, name, dir, aside) < 0 ? -errno : 0;
}

int folder_mend(const char *path, const struct folder_state *state, struct error *e)
{
    _cleanup_close_ int dir = -1;

    if (state->n_stumbles == 0)
        return 0;
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; dir >= 0 && i < state->n_stumbles; i++) {
        const struct folder_stumble *s = &state->stumbles[i];
        int r = s->keep > 0 ? file_cut(dir, s->name, s->keep) : file_set_aside(dir, s->name);

        if (r < 0)
            return error_set(e, r, "cannot mend %s/%s: %s", path, s->name, strerror(-r));
    }
    return dir < 0 || fsync(dir) < 0 ? error_set(e, -errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}
