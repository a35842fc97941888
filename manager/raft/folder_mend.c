/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "raft/folder.h"

#define ZEROS 4096 /* enough for raft_uv to see that nothing follows */

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
