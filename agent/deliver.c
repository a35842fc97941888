/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "deliver.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "ask/ask_protocol.h"
#include "basic/cleanup.h"

static int socket_new(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ASK_AGENT_NAME));
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(a.sun_path + 1, ASK_AGENT_NAME, strlen(ASK_AGENT_NAME)); /* behind a NUL: no file */
    if (fd < 0 || bind(fd, (const struct sockaddr *) &a, size) < 0)
        return -errno;
    return take_fd(&fd);
}

int deliver(const char *socket_path, const struct secret *passphrase)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    char kind = '+';
    struct iovec v[] = { { &kind, 1 }, { passphrase->data, passphrase->size } };
    struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = v, .msg_iovlen = ELEMENTSOF(v) };
    _cleanup_close_ int fd = -1;

    if (strlen(socket_path) >= sizeof(to.sun_path))
        return -ENAMETOOLONG;
    memcpy(to.sun_path, socket_path, strlen(socket_path));
    fd = socket_new();
    if (fd < 0)
        return fd;
    return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
