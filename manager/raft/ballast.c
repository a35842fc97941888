/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "basic/cleanup.h"

static int folder_open(const char *folder)
{
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void ballast_release(const char *folder)
{
    _cleanup_close_ int dir = folder_open(folder);

    if (dir >= 0)
        (void) unlinkat(dir, BALLAST_NAME, 0);
}

int ballast_keep(const char *folder)
{
    _cleanup_close_ int dir = folder_open(folder), fd = -1;
    struct stat st;
    int r;

    if (dir < 0)
        return -errno;
    fd = openat(dir, BALLAST_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && st.st_blocks * 512L >= BALLAST_SIZE)
        return 0;
    r = -posix_fallocate(fd, 0, BALLAST_SIZE);
    if (r < 0)
        (void) unlinkat(dir, BALLAST_NAME, 0);
    return r;
}
