/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exchange/exchange.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "basic/unix_socket.h"

#define HEAD 2
#define DONE '+'

static const struct {
    char letter;
    int code;
} failures[] = {
    { 'l', -EHOSTUNREACH },
    { 'r', -EKEYREJECTED },
    { 'u', -EOPNOTSUPP },
    { 'i', -EINVAL },
};

int exchange_connect(const char *path)
{
    return unix_connect(path, SOCK_SEQPACKET);
}

static int packet_send(int fd, char kind, const void *body, size_t size)
{
    char head[HEAD] = { EXCHANGE_VERSION, kind };
    struct iovec v[] = { { head, HEAD }, { (void *) body, size } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
    ssize_t n;

    if (size > EXCHANGE_BODY_MAX)
        return -EMSGSIZE;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* -EAGAIN; -ECANCELED: the other side hung up; -EMSGSIZE, -EPROTO. The version has been checked by nobody yet. */
static int packet_receive(int fd, char ret_head[static HEAD], struct secret *ret_body)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char head[HEAD];
    struct iovec v[] = { { head, HEAD }, { NULL, EXCHANGE_BODY_MAX } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
    ssize_t n;
    int r = secret_new(EXCHANGE_BODY_MAX, &body);

    if (r < 0)
        return r;
    v[1].iov_base = body.data;
    n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (n == 0)
        return -ECANCELED;
    if (n < HEAD)
        return -EPROTO;
    if (m.msg_flags & MSG_TRUNC)
        return -EMSGSIZE;
    memcpy(ret_head, head, HEAD);
    return secret_copy(body.data, (size_t) n - HEAD, ret_body);
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_readable(int fd, int64_t deadline)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = deadline - now_ms();
        int r = poll(&p, 1, left > 0 ? (int) left : 0);

        if (r > 0)
            return 0;
        if (r == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

int exchange_send(int fd, char operation, const void *body, size_t size)
{
    return packet_send(fd, operation, body, size);
}

/* The other side's words go to journals and terminals. */
static int failure(char letter, const struct secret *text, struct error *e)
{
    char words[EXCHANGE_TEXT_MAX + 1];
    size_t n = text->size < EXCHANGE_TEXT_MAX ? text->size : EXCHANGE_TEXT_MAX;

    for (size_t i = 0; i < n; i++)
        words[i] = text->data[i] < 0x20 || text->data[i] == 0x7f ? '?' : (char) text->data[i];
    words[n] = '\0';
    for (size_t i = 0; i < ELEMENTSOF(failures); i++)
        if (failures[i].letter == letter)
            return error_set(e, failures[i].code, "%s", words);
    return error_set(e, -EPROTO, "the helper's reply has no valid form");
}

int exchange_receive(int fd, struct secret *ret_body, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char head[HEAD] = { 0 };
    int r = packet_receive(fd, head, &body);

    if (r == -EAGAIN)
        return r;
    if (r == -ECANCELED)
        return error_set(e, -ECONNRESET, "the helper ended without a reply: see its journal");
    if (r < 0)
        return error_set(e, r == -EMSGSIZE ? -EPROTO : r, "cannot receive the helper's reply: %s", strerror(-r));
    if (head[0] != EXCHANGE_VERSION)
        return error_set(e, -EPROTONOSUPPORT, "the helper speaks another version: install both of the same release");
    if (head[1] != DONE)
        return failure(head[1], &body, e);
    if (ret_body)
        *ret_body = secret_take(&body);
    return 0;
}

int exchange_call(const char *path, char operation, const void *body, size_t size, int timeout_ms, struct secret *ret_body, struct error *e)
{
    _cleanup_close_ int fd = exchange_connect(path);
    int64_t deadline = now_ms() + timeout_ms;
    int r = fd;

    if (r >= 0)
        r = exchange_send(fd, operation, body, size);
    if (r < 0)
        return error_set(e, r, "no helper answers at %s: %s", path, strerror(-r));
    do {
        r = wait_readable(fd, deadline);
        if (r < 0)
            return error_set(e, r, "the helper at %s did not reply within %d s", path, timeout_ms / 1000);
        r = exchange_receive(fd, ret_body, e);
    } while (r == -EAGAIN);
    return r;
}

int exchange_request(int fd, int timeout_ms, char *ret_operation, struct secret *ret_body)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char head[HEAD] = { 0 };
    int r;

    do {
        r = wait_readable(fd, now_ms() + timeout_ms);
        if (r == 0)
            r = packet_receive(fd, head, &body);
    } while (r == -EAGAIN);
    if (r == -EMSGSIZE || r == -EPROTO)
        (void) exchange_refuse(fd, -EINVAL, "the request is too short or too long");
    if (r < 0)
        return r;
    if (head[0] != EXCHANGE_VERSION) {
        (void) exchange_refuse(fd, -EINVAL, "the request is of another version: install both programs of the same release");
        return -EPROTONOSUPPORT;
    }
    *ret_operation = head[1];
    *ret_body = secret_take(&body);
    return 0;
}

int exchange_reply(int fd, const void *body, size_t size)
{
    return packet_send(fd, DONE, body, size);
}

int exchange_refuse(int fd, int code, const char *text)
{
    size_t size = strlen(text);
    char letter = failures[0].letter;

    for (size_t i = 0; i < ELEMENTSOF(failures); i++)
        if (failures[i].code == code)
            letter = failures[i].letter;
    return packet_send(fd, letter, text, size < EXCHANGE_TEXT_MAX ? size : EXCHANGE_TEXT_MAX);
}
