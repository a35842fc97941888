/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/cleanup.h"

static int open_for(const char *path, int type, struct sockaddr_un *ret)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *ret = a;
    return fd;
}

int unix_listen(const char *path)
{
    struct sockaddr_un a;
    _cleanup_close_ int fd = open_for(path, SOCK_STREAM, &a);

    if (fd < 0)
        return fd;
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    /* the file that bind makes has the socket's mode: at no time can others connect */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *) &a, sizeof(a)) < 0 || listen(fd, SOMAXCONN) < 0)
        return -errno;
    return take_fd(&fd);
}

int unix_connect(const char *path, int type)
{
    struct sockaddr_un a;
    _cleanup_close_ int fd = open_for(path, type, &a);

    if (fd < 0)
        return fd;
    return connect(fd, (const struct sockaddr *) &a, sizeof(a)) < 0 ? -errno : take_fd(&fd);
}
