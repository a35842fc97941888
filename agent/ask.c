/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-ask [FOLDER]: raises one ask-password query for the manager at the other end of standard input, and hands it the answer. Runs as
 * root without capabilities, because only root may write the queries that `systemctl start` and the console show. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "answer.h"
#include "basic/cleanup.h"
#include "basic/secret.h"
#include "query.h"
#include "request.h"

#define PEER STDIN_FILENO
#define REQUEST_TIMEOUT_MS 10000

static int receive_request(struct request *ret, struct error *e)
{
    struct pollfd p = { .fd = PEER, .events = POLLIN };
    char packet[ASK_REQUEST_MAX + 1];
    ssize_t n;
    int r;

    r = poll(&p, 1, REQUEST_TIMEOUT_MS);
    if (r < 0)
        return error_set(e, -errno, "cannot wait for the request: %s", strerror(errno));
    if (r == 0)
        return error_set(e, -ETIMEDOUT, "the manager sent no request within %d ms", REQUEST_TIMEOUT_MS);
    n = recv(PEER, packet, sizeof(packet), MSG_DONTWAIT);
    if (n < 0)
        return error_set(e, -errno, "cannot receive the request: %s", strerror(errno));
    if (n == 0)
        return -ECANCELED;
    r = request_parse(packet, (size_t) n, ret);
    if (r < 0)
        return error_set(e, r, "refused the manager's request of %zd bytes: %s", n, strerror(-r));
    return 0;
}

static bool is_from_root(struct msghdr *m)
{
    struct ucred c;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(sizeof(c))) {
            memcpy(&c, CMSG_DATA(h), sizeof(c));
            return c.uid == 0;
        }
    return false;
}

/* One datagram: an enum answer, or -EAGAIN when it was none of root's. */
static int receive_answer(int fd, struct secret *packet, size_t *ret_size)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec v = { packet->data, packet->size };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
    ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int r;

    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (!is_from_root(&m)) {
        (void) fputs("ignored an answer that is not root's\n", stderr);
        return -EAGAIN;
    }
    r = answer_parse(packet->data, (size_t) n, m.msg_flags & MSG_TRUNC, ret_size);
    return r == -EINVAL ? -EAGAIN : r;
}

/* 0 when the manager hung up or a signal came, 1 with the datagram on q->fd. */
static int wait_event(const struct query *q, int signals)
{
    struct pollfd p[] = {
        { .fd = PEER, .events = POLLIN | POLLRDHUP },
        { .fd = signals, .events = POLLIN },
        { .fd = q->fd, .events = POLLIN },
    };

    while (poll(p, ELEMENTSOF(p), -1) < 0)
        if (errno != EINTR)
            return -errno;
    return p[0].revents == 0 && p[1].revents == 0;
}

static int reply(struct secret *packet, int answer, size_t size)
{
    static const char kinds[] = {
        [ANSWER_PASSWORD] = ASK_REPLY_ANSWER,
        [ANSWER_CANCELLED] = ASK_REPLY_CANCELLED,
        [ANSWER_TOO_LONG] = ASK_REPLY_TOO_LONG,
    };

    packet->data[0] = (unsigned char) kinds[answer];
    if (answer != ANSWER_PASSWORD)
        size = 0;
    return send(PEER, packet->data, 1 + size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int ask(const char *folder, const struct request *request, int signals, struct error *e)
{
    _cleanup_(query_done) struct query q = QUERY_NULL;
    _cleanup_(secret_done) struct secret packet = SECRET_NULL;
    size_t size = 0;
    int r;

    r = secret_new(ANSWER_PACKET_MAX, &packet);
    if (r < 0)
        return error_set(e, r, "no memory for the answer");
    r = query_open(folder, request, &q, e);
    if (r < 0)
        return r;
    do {
        r = wait_event(&q, signals);
        if (r <= 0)
            return r < 0 ? error_set(e, r, "cannot wait for an answer: %s", strerror(-r)) : 0;
        r = receive_answer(q.fd, &packet, &size);
    } while (r == -EAGAIN);
    if (r < 0)
        return error_set(e, r, "cannot receive the answer: %s", strerror(-r));
    query_done(&q);
    r = reply(&packet, r, size);
    return r < 0 && r != -EPIPE ? error_set(e, r, "cannot hand over the answer: %s", strerror(-r)) : 0;
}

static int run(const char *folder, struct error *e)
{
    _cleanup_close_ int signals = -1;
    struct request request;
    sigset_t set;
    int r;

    r = receive_request(&request, e);
    if (r < 0)
        return r == -ECANCELED ? 0 : r;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGINT);
    (void) sigaddset(&set, SIGHUP);
    (void) sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        return error_set(e, -errno, "cannot take signals: %s", strerror(errno));
    query_collect(folder);
    r = ask(folder, &request, signals, e);
    query_collect(folder); /* what was too young above */
    return r;
}

int main(int argc, char *argv[])
{
    struct error e = { "" };

    (void) umask(0077);
    (void) prctl(PR_SET_DUMPABLE, 0);
    if (argc > 2 || (argc == 2 && argv[1][0] != '/')) {
        (void) fputs("swarm-ask is started by swarm-ask.socket; see swarm-ask(8)\n", stderr);
        return 2;
    }
    if (secret_init() < 0) {
        (void) fputs("cannot initialise libsodium\n", stderr);
        return 1;
    }
    if (run(argc == 2 ? argv[1] : QUERY_FOLDER, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return 0;
}
