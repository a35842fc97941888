/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/highwater.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "raft/advice.h"
#include "raft/bytes.h"

#define VERSION 1
#define SLOT_STEP 4096
#define SLOT_SIZE 80
#define SUM_AT 48
#define FILE_SIZE (2 * SLOT_STEP)

static const unsigned char magic[4] = { 'S', 'W', 'H', 'W' };

struct highwater {
    int fd;
    bool dirty, flushed_dirty;
    uint64_t sequence;
    struct highwater_mark mark;
};

static void slot_encode(uint64_t sequence, const struct highwater_mark *m, unsigned char out[static SLOT_SIZE])
{
    memcpy(out, magic, sizeof(magic));
    put_u32(out + 4, VERSION);
    put_u64(out + 8, sequence);
    put_u64(out + 16, m->index);
    put_u64(out + 24, m->term);
    put_u64(out + 32, m->current_term);
    put_u64(out + 40, m->vote);
    (void) crypto_generichash(out + SUM_AT, SLOT_SIZE - SUM_AT, out, SUM_AT, NULL, 0);
}

static int slot_decode(const unsigned char slot[static SLOT_SIZE], uint64_t *ret_sequence, struct highwater_mark *ret)
{
    unsigned char sum[SLOT_SIZE - SUM_AT];

    if (memcmp(slot, magic, sizeof(magic)) != 0 || get_u32(slot + 4) == 0)
        return -EBADMSG;
    if (get_u32(slot + 4) > VERSION)
        return -EPROTONOSUPPORT;
    (void) crypto_generichash(sum, sizeof(sum), slot, SUM_AT, NULL, 0);
    if (memcmp(sum, slot + SUM_AT, sizeof(sum)) != 0)
        return -EBADMSG;
    *ret_sequence = get_u64(slot + 8);
    *ret = (struct highwater_mark) { get_u64(slot + 16), get_u64(slot + 24), get_u64(slot + 32), get_u64(slot + 40) };
    return 0;
}

static int write_at(int fd, const void *data, size_t size, off_t at)
{
    ssize_t n;

    do
        n = pwrite(fd, data, size, at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t) n == size ? 0 : -EIO;
}

/* The slots lie in pages of their own, and a mark is always written over the older one. */
static int write_mark(struct highwater *h, const struct highwater_mark *m)
{
    unsigned char slot[SLOT_SIZE];
    int r;

    slot_encode(h->sequence + 1, m, slot);
    r = write_at(h->fd, slot, sizeof(slot), (off_t) ((h->sequence + 1) % 2 * SLOT_STEP));
    if (r < 0)
        return r;
    h->sequence++;
    h->mark = *m;
    h->dirty = true;
    return 0;
}

static int parent_sync(const char *path)
{
    _cleanup_free_ char *copy = strdup(path);
    _cleanup_close_ int fd = -1;

    if (!copy)
        return -ENOMEM;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int create_filled(int fd, const struct highwater_mark *mark)
{
    static const unsigned char zeros[FILE_SIZE];
    unsigned char slot[SLOT_SIZE];
    int r;

    /* written out, so that a full disk has no say in later marks */
    r = write_at(fd, zeros, sizeof(zeros), 0);
    for (uint64_t sequence = 1; r == 0 && sequence <= 2; sequence++) {
        slot_encode(sequence, mark, slot);
        r = write_at(fd, slot, sizeof(slot), (off_t) (sequence % 2 * SLOT_STEP));
    }
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

int highwater_create(const char *path, const struct highwater_mark *mark, struct error *e)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return error_set(e, -errno, "cannot create %s: %s", path, strerror(errno));
    r = create_filled(fd, mark);
    if (r == 0)
        r = parent_sync(path);
    if (r < 0) {
        (void) unlink(path);
        return error_set(e, r, "cannot write %s: %s", path, strerror(-r));
    }
    return 0;
}

static int read_slots(struct highwater *h)
{
    unsigned char slot[SLOT_SIZE];
    struct highwater_mark mark;
    uint64_t sequence;
    struct stat st;
    int r;

    if (fstat(h->fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size != FILE_SIZE)
        return -EBADMSG;
    for (unsigned i = 0; i < 2; i++) {
        ssize_t n = pread(h->fd, slot, sizeof(slot), (off_t) i * SLOT_STEP);

        if (n < 0)
            return -errno;
        if (n != sizeof(slot))
            return -EBADMSG;
        r = slot_decode(slot, &sequence, &mark);
        if (r == -EPROTONOSUPPORT)
            return r;
        if (r == 0 && sequence % 2 == i && sequence > h->sequence) {
            h->sequence = sequence;
            h->mark = mark;
        }
    }
    return h->sequence > 0 ? 0 : -EBADMSG;
}

int highwater_open(const char *path, struct highwater **ret, struct error *e)
{
    _cleanup_(highwater_freep) struct highwater *h = malloc(sizeof(*h));
    int r;

    if (!h)
        return error_set(e, -ENOMEM, "out of memory");
    *h = (struct highwater) { .fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC) };
    if (h->fd < 0 && errno == ENOENT)
        return error_set(e, -EBADMSG, "%s is missing, so nothing tells whether the log is whole: " RESTORE_OR_LEAVE, path);
    if (h->fd < 0)
        return error_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
    r = read_slots(h);
    if (r == -EPROTONOSUPPORT)
        return error_set(e, r, "%s " NEWER_VERSION, path);
    if (r == -EBADMSG)
        return error_set(e, r, "%s is damaged: " RESTORE_OR_LEAVE, path);
    if (r < 0)
        return error_set(e, r, "cannot read %s: %s", path, strerror(-r));
    *ret = TAKE_PTR(h);
    return 0;
}

void highwater_free(struct highwater *h)
{
    if (!h)
        return;
    closep(&h->fd);
    free(h);
}

const struct highwater_mark *highwater_get(const struct highwater *h)
{
    return &h->mark;
}

int highwater_advance(struct highwater *h, uint64_t index, uint64_t term)
{
    struct highwater_mark mark = h->mark;

    if (index < mark.index || (index == mark.index && term == mark.term))
        return 0;
    mark.index = index;
    mark.term = term;
    return write_mark(h, &mark);
}

int highwater_set(struct highwater *h, const struct highwater_mark *mark)
{
    int r = write_mark(h, mark);

    return r < 0 ? r : highwater_sync(h);
}

bool highwater_is_dirty(const struct highwater *h)
{
    return h->dirty;
}

int highwater_sync(struct highwater *h)
{
    int r;

    if (!h->dirty)
        return 0;
    r = highwater_flush(h);
    if (r == 0)
        h->dirty = false;
    return r;
}

void highwater_flush_begin(struct highwater *h)
{
    h->flushed_dirty = h->dirty;
    h->dirty = false;
}

int highwater_flush(struct highwater *h)
{
    return fdatasync(h->fd) < 0 ? -errno : 0;
}

void highwater_flush_end(struct highwater *h, int result)
{
    if (result < 0)
        h->dirty |= h->flushed_dirty;
}
