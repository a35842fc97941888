/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prompt/prompt.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/cleanup.h"
#include "basic/unix_socket.h"

struct prompt {
    uv_poll_t poll;
    int fd;
    prompt_cb cb;
    void *data;
};

static int request_send(int fd, const char *message, unsigned flags)
{
    char packet[ASK_REQUEST_MAX] = { ASK_VERSION, (char) flags };
    size_t length = strlen(message);

    if (length == 0)
        return -EINVAL;
    if (length > ASK_MESSAGE_MAX)
        return -EMSGSIZE;
    memcpy(packet + ASK_REQUEST_HEAD, message, length);
    return send(fd, packet, ASK_REQUEST_HEAD + length, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void prompt_cancel(struct prompt *p)
{
    if (!p)
        return;
    uv_close((uv_handle_t *) &p->poll, closed);
    closep(&p->fd); /* the helper withdraws the query when it sees this */
}

/* 0 with the answer, -EAGAIN when nothing is there yet, or what the callback is to be told. */
static int reply_receive(int fd, struct secret *ret, bool *ret_agent)
{
    _cleanup_(secret_done) struct secret packet = SECRET_NULL;
    ssize_t n;
    int r;

    r = secret_new(ASK_REPLY_MAX, &packet);
    if (r < 0)
        return r;
    n = recv(fd, packet.data, packet.size, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (n == 0)
        return -ECONNRESET;
    if (n == 1 && packet.data[0] == ASK_REPLY_CANCELLED)
        return -ECANCELED;
    if (n == 1 && packet.data[0] == ASK_REPLY_TOO_LONG)
        return -EMSGSIZE;
    if (n > (ssize_t) packet.size || (packet.data[0] != ASK_REPLY_ANSWER && packet.data[0] != ASK_REPLY_AGENT))
        return -EPROTO;
    *ret_agent = packet.data[0] == ASK_REPLY_AGENT;
    return secret_copy(packet.data + 1, (size_t) n - 1, ret);
}

static void readable(uv_poll_t *handle, int status, int events _unused_)
{
    _cleanup_(secret_done) struct secret answer = SECRET_NULL;
    struct prompt *p = handle->data;
    prompt_cb cb = p->cb;
    void *data = p->data;
    bool agent = false;
    int r = reply_receive(p->fd, &answer, &agent);

    if (r == -EAGAIN && status == 0)
        return;
    if (r == -EAGAIN) /* libuv says EBADF for any POLLERR and has stopped polling */
        r = -ECONNRESET;
    prompt_cancel(p);
    cb(data, r, r == 0 ? &answer : NULL, agent);
}

int prompt_start(uv_loop_t *loop, const char *socket_path, const char *message, unsigned flags, prompt_cb cb, void *data,
                 struct prompt **ret)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ struct prompt *p = NULL;
    int r;

    fd = unix_connect(socket_path, SOCK_SEQPACKET);
    if (fd < 0)
        return fd;
    r = request_send(fd, message, flags);
    if (r < 0)
        return r;
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct prompt) { .fd = -1, .cb = cb, .data = data };
    r = uv_poll_init(loop, &p->poll, fd);
    if (r < 0)
        return r;
    p->fd = take_fd(&fd);
    p->poll.data = p;
    r = uv_poll_start(&p->poll, UV_READABLE, readable);
    if (r < 0) {
        prompt_cancel(TAKE_PTR(p));
        return r;
    }
    *ret = TAKE_PTR(p);
    return 0;
}
