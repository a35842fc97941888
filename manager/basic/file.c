/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER_FILES_MAX 65536
#define NOISE_SIZE (64U * 1024)

int path_join(char *ret, const char *folder, const char *name)
{
    size_t f = strlen(folder), n = strlen(name);
    const char *slash = f > 0 && folder[f - 1] == '/' ? "" : "/";

    if (f + strlen(slash) + n >= PATH_MAX)
        return -ENAMETOOLONG;
    memmove(ret, folder, f);
    memcpy(ret + f, slash, strlen(slash));
    memcpy(ret + f + strlen(slash), name, n + 1);
    return 0;
}

/* The folder that holds path, and where in path its name begins. */
static int path_split(const char *path, char *ret_folder, const char **ret_name)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = slash ? (size_t) (slash - path) : 0;

    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    if (strlen(name) == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    if (!slash) {
        strcpy(ret_folder, ".");
    } else if (n == 0) {
        strcpy(ret_folder, "/");
    } else {
        memcpy(ret_folder, path, n);
        ret_folder[n] = 0;
    }
    *ret_name = name;
    return 0;
}

static int sync_folder(const char *folder)
{
    _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

int folder_sync(const char *path)
{
    char folder[PATH_MAX];
    const char *name;
    int r = path_split(path, folder, &name);

    return r < 0 ? r : sync_folder(folder);
}

static int write_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        data += n;
        size -= (size_t) n;
    }
    return 0;
}

int file_temporary(const char *folder, const char *path, char *ret)
{
    char own[PATH_MAX], hidden[NAME_MAX + 1];
    const char *name;
    int r = path_split(path, own, &name);

    if (r < 0)
        return r;
    if (strlen(name) + strlen("..new") > NAME_MAX)
        return -ENAMETOOLONG;
    (void) snprintf(hidden, sizeof(hidden), ".%s.new", name);
    return path_join(ret, folder ? folder : own, hidden);
}

static int write_durably(const char *path, const void *data, size_t size, mode_t mode)
{
    _cleanup_close_ int fd = -1;
    int r;

    /* A crash may have left one: it is nobody's, and following a link there would write elsewhere. */
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, mode) < 0)
        return -errno;
    r = write_all(fd, data, size);
    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

static int write_failed(const char *path, int code, struct error *e)
{
    return error_set(e, code, "cannot write %s: %s", path, strerror(-code));
}

static int write_temporary(const char *folder, const char *path, const void *data, size_t size, mode_t mode, char *ret_temporary,
                           struct error *e)
{
    int r = file_temporary(folder, path, ret_temporary);

    if (r < 0)
        return write_failed(path, r, e);
    r = write_durably(ret_temporary, data, size, mode);
    if (r < 0) {
        (void) unlink(ret_temporary);
        return write_failed(path, r, e);
    }
    return 0;
}

/* Both folders, so that after a power cut the name is at one place and the old one is gone. */
static int rename_durably(const char *from, const char *to)
{
    char a[PATH_MAX], b[PATH_MAX];
    const char *name;
    int r = path_split(from, a, &name);

    if (r == 0)
        r = path_split(to, b, &name);
    if (r < 0)
        return r;
    if (rename(from, to) < 0)
        return -errno;
    r = sync_folder(b);
    if (r == 0 && strcmp(a, b) != 0)
        r = sync_folder(a);
    return r;
}

int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *e)
{
    char temporary[PATH_MAX];
    int r = write_temporary(NULL, path, data, size, mode, temporary, e);

    if (r < 0)
        return r;
    r = rename_durably(temporary, path);
    if (r == 0)
        return 0;
    (void) unlink(temporary);
    return write_failed(path, r, e);
}

/* Noise, not zeros: nothing below us can store it as "a hole". */
static int overwrite(int fd)
{
    _cleanup_free_ unsigned char *noise = NULL;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    noise = malloc(NOISE_SIZE);
    if (!noise)
        return -ENOMEM;
    randombytes_buf(noise, NOISE_SIZE);
    for (off_t at = 0; at < st.st_size;) {
        size_t left = (size_t) (st.st_size - at);
        ssize_t n = pwrite(fd, noise, left < NOISE_SIZE ? left : NOISE_SIZE, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* For writing; -1 where there is nothing whose bytes we could overwrite. O_NONBLOCK: never wait for a FIFO's reader. */
static int open_old(const char *path)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    return take_fd(&fd);
}

int file_move(const char *temporary, const char *path, struct error *e)
{
    int r = file_rename(temporary, path, e);

    if (r < 0)
        (void) unlink(temporary);
    return r;
}

int file_rename(const char *from, const char *path, struct error *e)
{
    _cleanup_close_ int old = open_old(path);
    struct stat st;
    int r = rename_durably(from, path);

    if (r < 0)
        return write_failed(path, r, e);
    /* With another name left the file is somebody's backup. */
    if (old >= 0 && fstat(old, &st) == 0 && st.st_nlink == 0)
        (void) overwrite(old);
    return 0;
}

int file_replace(const char *folder, const char *path, const void *data, size_t size, mode_t mode, struct error *e)
{
    char temporary[PATH_MAX];
    int r = write_temporary(folder, path, data, size, mode, temporary, e);

    return r < 0 ? r : file_move(temporary, path, e);
}

/* Up to size + 1 bytes, so that a file that grew is noticed. */
static int read_whole(int fd, size_t size, struct secret *ret)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;
    size_t got = 0;
    int r = secret_new(size + 1, &s);

    if (r < 0)
        return r;
    while (got < s.size) {
        ssize_t n = read(fd, s.data + got, s.size - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t) n;
    }
    if (got > size)
        return -EBUSY;
    secret_truncate(&s, got);
    *ret = secret_take(&s);
    return 0;
}

int file_read(const char *path, size_t max, struct secret *ret, struct error *e)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0) {
        r = -errno;
        return error_set(e, r, "cannot read %s: %s", path, strerror(-r));
    }
    if (!S_ISREG(st.st_mode))
        return error_set(e, -EINVAL, "%s is not a regular file", path);
    if ((uint64_t) st.st_size > max)
        return error_set(e, -EMSGSIZE, "%s has %jd bytes, more than %zu", path, (intmax_t) st.st_size, max);
    r = read_whole(fd, (size_t) st.st_size, ret);
    if (r < 0)
        return error_set(e, r, "cannot read %s: %s", path, r == -EBUSY ? "it changes while being read" : strerror(-r));
    return 0;
}

int file_erase(const char *path, struct error *e)
{
    _cleanup_close_ int fd = open_old(path);
    struct stat st;
    int r = 0;

    /* A read-only file system or a full disk must not keep the name alive: unlink in any case, then tell. */
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink <= 1)
        r = overwrite(fd);
    if (unlink(path) < 0)
        return errno == ENOENT ? 0 : error_set(e, -errno, "cannot remove %s: %s", path, strerror(errno));
    if (r == 0)
        r = folder_sync(path);
    return r < 0 ? error_set(e, r, "%s is removed, but its bytes may still be on the disk: %s", path, strerror(-r)) : 0;
}

static int folder_empty(int folder, const char *path, struct error *e)
{
    DIR *d = fdopendir(folder);
    unsigned n = 0;
    int r = 0;

    if (!d) {
        r = -errno;
        (void) close(folder);
        return error_set(e, r, "cannot read %s: %s", path, strerror(-r));
    }
    while (r == 0) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(d);
        if (!entry) {
            if (errno > 0)
                r = error_set(e, -errno, "cannot read %s: %s", path, strerror(errno));
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (++n > FOLDER_FILES_MAX)
            r = error_set(e, -EMSGSIZE, "%s holds more than %d files", path, FOLDER_FILES_MAX);
        else if (unlinkat(dirfd(d), entry->d_name, 0) < 0 && errno != ENOENT)
            r = error_set(e, -errno, "cannot remove %s/%s: %s", path, entry->d_name, strerror(errno));
    }
    (void) closedir(d);
    return r;
}

int folder_remove(const char *path, struct error *e)
{
    int r, fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : error_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
    r = folder_empty(fd, path, e);
    if (r < 0)
        return r;
    if (rmdir(path) < 0 && errno != ENOENT)
        return error_set(e, -errno, "cannot remove %s: %s", path, strerror(errno));
    r = folder_sync(path);
    return r < 0 ? error_set(e, r, "cannot remove %s for good: %s", path, strerror(-r)) : 0;
}
