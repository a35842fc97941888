/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-ask [FOLDER]: raises an ask-password query for each connection of the manager, one after the other, and hands it the answer. Standard
 * input is the listening socket, or one connection. Runs as root without capabilities, because only root may write the queries that
 * `systemctl start` and the console show. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask/answer.h"
#include "basic/cleanup.h"
#include "basic/secret.h"
#include "ask/query.h"
#include "ask/request.h"

#define REQUEST_TIMEOUT_MS 10000

static int receive_request(int peer, struct request *ret, struct error *e)
{
    struct pollfd p = { .fd = peer, .events = POLLIN };
    char packet[ASK_REQUEST_MAX + 1];
    ssize_t n;
    int r;

    r = poll(&p, 1, REQUEST_TIMEOUT_MS);
    if (r < 0)
        return error_set(e, -errno, "cannot wait for the request: %s", strerror(errno));
    if (r == 0)
        return error_set(e, -ETIMEDOUT, "the manager sent no request within %d ms", REQUEST_TIMEOUT_MS);
    n = recv(peer, packet, sizeof(packet), MSG_DONTWAIT);
    if (n < 0)
        return error_set(e, -errno, "cannot receive the request: %s", strerror(errno));
    if (n == 0)
        return -ECANCELED;
    r = request_parse(packet, (size_t) n, ret);
    if (r < 0)
        return error_set(e, r, "refused the manager's request of %zd bytes: %s", n, strerror(-r));
    return 0;
}

/* 0 when the manager hung up or a signal came, 1 with the datagram on q->fd. */
static int wait_event(const struct query *q, int peer, int signals)
{
    struct pollfd p[] = {
        { .fd = peer, .events = POLLIN | POLLRDHUP },
        { .fd = signals, .events = POLLIN },
        { .fd = q->fd, .events = POLLIN },
    };

    while (poll(p, ELEMENTSOF(p), -1) < 0)
        if (errno != EINTR)
            return -errno;
    return p[0].revents == 0 && p[1].revents == 0;
}

static int reply(int peer, struct secret *packet, int answer, size_t size, bool agent)
{
    static const char kinds[] = {
        [ANSWER_PASSWORD] = ASK_REPLY_ANSWER,
        [ANSWER_CANCELLED] = ASK_REPLY_CANCELLED,
        [ANSWER_TOO_LONG] = ASK_REPLY_TOO_LONG,
    };

    packet->data[0] = (unsigned char) (answer == ANSWER_PASSWORD && agent ? ASK_REPLY_AGENT : kinds[answer]);
    if (answer != ANSWER_PASSWORD)
        size = 0;
    return send(peer, packet->data, 1 + size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int ask(const char *folder, const struct request *request, int peer, int signals, struct error *e)
{
    _cleanup_(query_done) struct query q = QUERY_NULL;
    _cleanup_(secret_done) struct secret packet = SECRET_NULL;
    bool agent = false;
    size_t size = 0;
    int r;

    r = secret_new(ANSWER_PACKET_MAX, &packet);
    if (r < 0)
        return error_set(e, r, "no memory for the answer");
    r = query_open(folder, request, &q, e);
    if (r < 0)
        return r;
    do {
        r = wait_event(&q, peer, signals);
        if (r <= 0)
            return r < 0 ? error_set(e, r, "cannot wait for an answer: %s", strerror(-r)) : 0;
        r = query_receive(&q, &packet, &size, &agent);
    } while (r == -EAGAIN);
    if (r < 0)
        return error_set(e, r, "cannot receive the answer: %s", strerror(-r));
    query_done(&q);
    r = reply(peer, &packet, r, size, agent);
    return r < 0 && r != -EPIPE ? error_set(e, r, "cannot hand over the answer: %s", strerror(-r)) : 0;
}

static int serve(const char *folder, int peer, int signals, struct error *e)
{
    struct request request;
    int r;

    r = receive_request(peer, &request, e);
    if (r < 0)
        return r == -ECANCELED ? 0 : r;
    query_collect(folder);
    r = ask(folder, &request, peer, signals, e);
    query_collect(folder); /* what was too young above */
    return r;
}

static int take_signals(void)
{
    sigset_t set;

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGINT);
    (void) sigaddset(&set, SIGHUP);
    (void) sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool was_signalled(int signals)
{
    struct pollfd p = { .fd = signals, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

/* The manager's next connection; -ECANCELED when a signal came. There is one manager, so no connection waits for another's end for long. */
static int next_connection(int listening, int signals)
{
    struct pollfd p[] = { { .fd = listening, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
    int fd;

    for (;;) {
        if (poll(p, ELEMENTSOF(p), -1) < 0 && errno != EINTR)
            return -errno;
        if (was_signalled(signals))
            return -ECANCELED;
        fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            return -errno;
    }
}

static int run(const char *folder, struct error *e)
{
    _cleanup_close_ int signals = take_signals();
    int listening = 0;
    socklen_t size = sizeof(listening);

    if (signals < 0)
        return error_set(e, -errno, "cannot take signals: %s", strerror(errno));
    (void) getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
    if (!listening)
        return serve(folder, STDIN_FILENO, signals, e);
    while (!was_signalled(signals)) {
        _cleanup_close_ int peer = next_connection(STDIN_FILENO, signals);

        if (peer < 0)
            return peer == -ECANCELED ? 0 : error_set(e, peer, "cannot accept a connection: %s", strerror(-peer));
        if (serve(folder, peer, signals, e) < 0)
            (void) fprintf(stderr, "%s\n", e->text);
    }
    return 0;
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
