/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "basic/cleanup.h"
#include "basic/file.h"
#include "monotonic.h"

#define QUERY_PREFIX "ask."
#define MASK (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static inline void closedirp(DIR **d)
{
    if (*d)
        (void) closedir(*d);
}

int ask_folder_open(const char *path, struct ask_folder *ret, struct error *e)
{
    _cleanup_(ask_folder_done) struct ask_folder f = ASK_FOLDER_NULL;

    f.path = path;
    f.events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f.events < 0 || inotify_add_watch(f.events, path, MASK) < 0)
        return error_set(e, -errno, "cannot watch %s: %s", path, strerror(errno));
    *ret = f;
    f = ASK_FOLDER_NULL;
    return 0;
}

void ask_folder_done(struct ask_folder *f)
{
    closep(&f->events);
}

int ask_folder_drain(struct ask_folder *f)
{
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t n;

    while ((n = read(f->events, buffer, sizeof(buffer))) > 0)
        for (const char *p = buffer; p < buffer + n;) {
            const struct inotify_event *event = (const void *) p;

            if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
                return -ENOENT;
            p += sizeof(*event) + event->len;
        }
    return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

static bool has_ended(const struct question *q)
{
    return q->file.not_after != 0 && q->file.not_after / 1000 <= (uint64_t) monotonic_ms();
}

bool ask_folder_stands(const struct ask_folder *f, const struct question *q)
{
    char path[PATH_MAX];
    struct stat st;

    return !has_ended(q) && path_join(path, f->path, q->name) == 0 && lstat(path, &st) == 0 && st.st_ino == q->inode;
}

static bool same(const struct question *a, const struct question *b)
{
    return a->inode == b->inode && strcmp(a->name, b->name) == 0;
}

static bool is_done(const struct ask_folder *f, const struct question *q)
{
    for (unsigned i = 0; i < f->n_done; i++)
        if (same(&f->done[i], q))
            return true;
    return false;
}

void ask_folder_forget(struct ask_folder *f, const struct question *q)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < f->n_done; i++) /* those that are gone need no memory */
        if (ask_folder_stands(f, &f->done[i]))
            f->done[kept++] = f->done[i];
    if (kept == DONE_MAX)
        memmove(f->done, f->done + 1, --kept * sizeof(f->done[0]));
    f->done[kept++] = *q;
    f->n_done = kept;
}

/* A killed swarm-ask leaves its query behind, and nobody is at the socket. */
static bool is_awaited(const struct question *q)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    memcpy(a.sun_path, q->file.socket, sizeof(a.sun_path));
    return fd >= 0 && connect(fd, (const struct sockaddr *) &a, sizeof(a)) == 0;
}

int ask_folder_find(struct ask_folder *f, struct question *ret)
{
    _cleanup_(closedirp) DIR *d = opendir(f->path); /* not kept open: that would hide the folder's end */

    if (!d)
        return -ENOENT;
    for (struct dirent *entry; (entry = readdir(d));) {
        struct question q = { .inode = 0 };

        if (strncmp(entry->d_name, QUERY_PREFIX, strlen(QUERY_PREFIX)) != 0 ||
            ask_file_read(dirfd(d), entry->d_name, f->path, &q.file, &q.inode) < 0)
            continue;
        (void) snprintf(q.name, sizeof(q.name), "%s", entry->d_name);
        if (!is_done(f, &q) && !has_ended(&q) && is_awaited(&q)) {
            *ret = q;
            return 0;
        }
    }
    return -ENOENT;
}
