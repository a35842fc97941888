/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials/peer_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "basic/cleanup.h"

#define DEPTH_MAX 32
#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static inline void closedirp(DIR **d)
{
    if (*d)
        (void) closedir(*d);
}

static DIR *open_folder(int at, const char *name)
{
    int fd = openat(at, name, FOLDER);
    DIR *d;

    if (fd < 0)
        return NULL;
    d = fdopendir(fd);
    if (!d)
        (void) close(fd);
    return d;
}

static bool lists(int at, const char *name, pid_t pid)
{
    int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
    long listed;

    if (!f) {
        if (fd >= 0)
            (void) close(fd);
        return false;
    }
    while (fscanf(f, "%ld", &listed) == 1)
        if (listed == (long) pid)
            return true;
    return false;
}

static struct dirent *next_folder(DIR *d)
{
    struct dirent *entry;

    while ((entry = readdir(d)))
        if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry;
    return NULL;
}

static int check_unit(DIR *unit, pid_t pid)
{
    struct dirent *entry;

    if (lists(dirfd(unit), "cgroup.procs", pid))
        return 0;
    while ((entry = next_folder(unit))) {
        _cleanup_(closedirp) DIR *below = open_folder(dirfd(unit), entry->d_name);

        if (below && lists(dirfd(below), "cgroup.procs", pid))
            return 0;
    }
    return -ESRCH;
}

static bool is_slice(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && strcmp(dot, ".slice") == 0;
}

static int look_in(int at, const char *name, const char *unit, pid_t pid, unsigned depth)
{
    _cleanup_(closedirp) DIR *slice = open_folder(at, name), *found = slice ? open_folder(dirfd(slice), unit) : NULL;
    struct dirent *entry;
    int r = -ENOENT;

    if (found)
        return check_unit(found, pid);
    while (slice && r == -ENOENT && depth < DEPTH_MAX && (entry = next_folder(slice)))
        if (is_slice(entry->d_name))
            r = look_in(dirfd(slice), entry->d_name, unit, pid, depth + 1);
    return r;
}

int peer_cgroup_check(const char *root, const char *unit, pid_t pid)
{
    return look_in(AT_FDCWD, root, unit, pid, 0);
}
