/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/cleanup.h"
#include "basic/file.h"
#include "raft/ballast.h"
#include "raft/bytes.h"
#include "raft/erasing_heap.h"
#include "raft/highwater.h"
#include "raft/membership.h"
#include "raft/replica_private.h"

/* What raft_bootstrap would make, but with the membership encrypted. */
#define FIRST_SEGMENT "0000000000000001-0000000000000001"
#define METADATA "metadata1"
#define METADATA_SIZE 32
#define TERM 1
#define INDEX 1

static const char *const made[] = { FIRST_SEGMENT, METADATA, BALLAST_NAME };

static int make_file(int dir, const char *name, const void *data, size_t size)
{
    _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = write(fd, data, size);
    if (n < 0)
        return -errno;
    if ((size_t) n != size)
        return -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

static int make_metadata(int dir)
{
    unsigned char metadata[METADATA_SIZE] = { 0 };

    put_u64(metadata, 1);          /* format */
    put_u64(metadata + 8, 1);      /* version of the content; raft_uv writes odd ones to metadata1 */
    put_u64(metadata + 16, TERM);
    return make_file(dir, METADATA, metadata, sizeof(metadata)); /* the last field, the vote, is 0 */
}

static int make_first_entry(int dir, const struct replica_config *config)
{
    int r = make_metadata(dir);

    return r < 0 ? r : membership_write(dir, config->keyring, INDEX, TERM, config->id, config->address);
}

/* For an empty log raft_uv makes its files itself when there is something to store. */
static int make_log(int dir, const struct replica_config *config, bool empty)
{
    int r = empty ? 0 : make_first_entry(dir, config);

    if (r == 0)
        r = ballast_keep(config->folder);
    if (r == 0 && fsync(dir) < 0)
        r = -errno;
    return r < 0 ? r : folder_sync(config->folder);
}

static bool is_empty(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    unsigned n = 0;

    while (d && (entry = readdir(d)))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (d)
        (void) closedir(d);
    return d && n == 0;
}

static int fill(int dir, const struct replica_config *config, const struct highwater_mark *mark, struct error *e)
{
    int r = make_log(dir, config, mark->index == 0);

    if (r < 0)
        (void) error_set(e, r, "cannot write a log to %s: %s", config->folder, strerror(-r));
    else
        r = highwater_create(config->highwater, mark, e);
    for (unsigned i = 0; r < 0 && i < ELEMENTSOF(made); i++)
        (void) unlinkat(dir, made[i], 0);
    return r;
}

static int make(const struct replica_config *config, const struct highwater_mark *mark, struct error *e)
{
    bool existed = mkdir(config->folder, 0700) < 0;
    _cleanup_close_ int dir = -1;
    int r;

    erasing_heap_install();
    if (existed && errno != EEXIST)
        return error_set(e, -errno, "cannot create %s: %s", config->folder, strerror(errno));
    dir = open(config->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_set(e, -errno, "cannot open %s: %s", config->folder, strerror(errno));
    if (!is_empty(dir))
        return error_set(e, -EEXIST, "%s holds a log already", config->folder);
    r = fill(dir, config, mark, e);
    if (r < 0 && !existed)
        (void) rmdir(config->folder);
    return r;
}

int replica_bootstrap(const struct replica_config *config, struct error *e)
{
    static const struct highwater_mark mark = { INDEX, TERM, TERM, 0 };

    return make(config, &mark, e);
}

int replica_create(const struct replica_config *config, struct error *e)
{
    static const struct highwater_mark nothing;

    return make(config, &nothing, e);
}
