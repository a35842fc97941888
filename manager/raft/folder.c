/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/cleanup.h"
#include "raft/record.h"
#include "raft/segments.h"

#define FILE_MAX (1024UL * 1024 * 1024)
#define SCANS_MAX 32
#define META_SUFFIX ".meta"

static void closedirp(DIR **d)
{
    if (*d)
        (void) closedir(*d);
}

/* The three patterns are raft_uv's own, scanned as it scans them. */
static bool parse_segment(const char *name, struct folder_segment *ret)
{
    unsigned long long first, last;
    int length = 0;

    if (sscanf(name, "%16llu-%16llu%n", &first, &last, &length) == 2 && length == (int) strlen(name))
        *ret = (struct folder_segment) { .first = first, .last = last };
    else if (sscanf(name, "open-%llu%n", &first, &length) == 1 && length == (int) strlen(name))
        *ret = (struct folder_segment) { .open = true, .counter = first };
    else
        return false;
    (void) snprintf(ret->name, sizeof(ret->name), "%s", name);
    return true;
}

static bool parse_snapshot(const char *name, struct folder_snapshot *ret)
{
    unsigned long long term, index, timestamp;
    int length = 0;

    if (sscanf(name, "snapshot-%llu-%llu-%llu" META_SUFFIX "%n", &term, &index, &timestamp, &length) != 3 || length != (int) strlen(name))
        return false;
    *ret = (struct folder_snapshot) { .term = term, .index = index, .timestamp = timestamp };
    (void) snprintf(ret->name, sizeof(ret->name), "%.*s", length - (int) strlen(META_SUFFIX), name);
    return true;
}

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_segments(const void *pa, const void *pb)
{
    const struct folder_segment *a = pa, *b = pb;

    if (a->open != b->open)
        return a->open ? 1 : -1;
    if (a->open)
        return compare(a->counter, b->counter);
    return a->first != b->first ? compare(a->first, b->first) : compare(a->last, b->last);
}

static int compare_snapshots(const void *pa, const void *pb)
{
    const struct folder_snapshot *a = pa, *b = pb;

    if (a->term != b->term)
        return compare(a->term, b->term);
    return a->index != b->index ? compare(a->index, b->index) : compare(a->timestamp, b->timestamp);
}

static int append(void *array, size_t *n, const void *item, size_t size)
{
    void **p = array, *grown;

    if (*n >= FOLDER_FILES_MAX)
        return -EMSGSIZE;
    if ((*n & (*n - 1)) == 0) { /* 0 and the powers of two: double */
        grown = realloc(*p, (*n ? 2 * *n : 1) * size);
        if (!grown)
            return -ENOMEM;
        *p = grown;
    }
    memcpy((char *) *p + (*n)++ * size, item, size);
    return 0;
}

static int list_one(int dir, const char *name, struct folder *f)
{
    struct folder_segment segment;
    struct folder_snapshot snapshot;

    if (strlen(name) >= FOLDER_NAME_MAX)
        return 0;
    if (parse_snapshot(name, &snapshot))
        return faccessat(dir, snapshot.name, F_OK, 0) == 0 ? append(&f->snapshots, &f->n_snapshots, &snapshot, sizeof(snapshot)) : 0;
    if (!parse_segment(name, &segment))
        return 0;
    f->n_closed += !segment.open;
    return append(&f->segments, &f->n_segments, &segment, sizeof(segment));
}

int folder_list(int dir, struct folder *ret)
{
    _cleanup_(closedirp) DIR *d = NULL;
    _cleanup_(folder_done) struct folder f = { 0 };
    int fd, r;

    fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    d = fdopendir(fd);
    if (!d) {
        r = -errno;
        (void) close(fd);
        return r;
    }
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(d);
        if (!entry)
            break;
        r = list_one(dir, entry->d_name, &f);
        if (r < 0)
            return r;
    }
    if (errno != 0)
        return -errno;
    if (f.n_segments > 0)
        qsort(f.segments, f.n_segments, sizeof(f.segments[0]), compare_segments);
    if (f.n_snapshots > 0)
        qsort(f.snapshots, f.n_snapshots, sizeof(f.snapshots[0]), compare_snapshots);
    *ret = f;
    f = (struct folder) { 0 };
    return 0;
}

void folder_done(struct folder *f)
{
    free(f->segments);
    free(f->snapshots);
    *f = (struct folder) { 0 };
}

static int read_fully(int fd, unsigned char *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, data + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EAGAIN; /* it was cut meanwhile */
        done += (size_t) n;
    }
    return 0;
}

int folder_read(int dir, const char *name, unsigned char **ret, size_t *ret_size)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    _cleanup_free_ unsigned char *data = NULL;
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    if ((uint64_t) st.st_size > FILE_MAX)
        return -EMSGSIZE;
    data = malloc((size_t) st.st_size + 1);
    if (!data)
        return -ENOMEM;
    r = read_fully(fd, data, (size_t) st.st_size);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(data);
    *ret_size = (size_t) st.st_size;
    return 0;
}

static int entry_only_key(void *data, const struct segment_entry *entry)
{
    const uint32_t *key_id = data;
    uint32_t id;

    return record_peek(entry->data, entry->size, &id) < 0 || id != *key_id ? -EKEYREJECTED : 0;
}

static int file_only_key(int dir, const char *name, bool segment, uint32_t key_id)
{
    _cleanup_free_ unsigned char *data = NULL;
    struct segment_end end;
    uint32_t id;
    size_t size = 0;
    int r;

    r = folder_read(dir, name, &data, &size);
    if (r != 0)
        return r;
    if (segment) /* behind the end there can only be a write that is under way */
        r = segment_read(data, size, entry_only_key, &key_id, &end);
    else if (record_peek(data, size, &id) < 0 || id != key_id)
        r = -EKEYREJECTED;
    return r == -EKEYREJECTED ? 1 : r;
}

static int only_key(const char *path, uint32_t key_id)
{
    _cleanup_(folder_done) struct folder f = { 0 };
    _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (dir < 0)
        return -errno;
    r = folder_list(dir, &f);
    for (size_t i = 0; r == 0 && i < f.n_segments; i++)
        r = file_only_key(dir, f.segments[i].name, true, key_id);
    for (size_t i = 0; r == 0 && i < f.n_snapshots; i++)
        r = file_only_key(dir, f.snapshots[i].name, false, key_id);
    return r;
}

int folder_only_key(const char *path, uint32_t key_id)
{
    int r = 0;

    for (unsigned i = 0; i < SCANS_MAX; i++) {
        r = only_key(path, key_id);
        if (r != -ENOENT && r != -EAGAIN) /* renamed, removed or cut under the reader */
            break;
    }
    return r;
}

int folder_remove_aside(const char *path)
{
    _cleanup_(closedirp) DIR *d = opendir(path);
    struct dirent *entry;

    if (!d)
        return -errno;
    while ((entry = readdir(d)))
        if (strncmp(entry->d_name, FOLDER_ASIDE, strlen(FOLDER_ASIDE)) == 0 && unlinkat(dirfd(d), entry->d_name, 0) < 0 && errno != ENOENT)
            return -errno;
    return fsync(dirfd(d)) < 0 ? -errno : 0;
}
