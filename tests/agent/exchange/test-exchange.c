/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both sides of the exchange with a helper, each against one that is played here. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exchange/exchange.h"
#include "test.h"

static char folder[] = "/tmp/test-exchange-XXXXXX";
static char path[64];
static char most[EXCHANGE_BODY_MAX + 3];
static struct error e;

static void pair(int ret[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) == 0);
}

static void packet(int fd, const char *bytes, size_t size)
{
    CHECK(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t) size);
}

static void expect_packet(int fd, const char *bytes, size_t size)
{
    static char buffer[EXCHANGE_BODY_MAX + 16];

    CHECK(recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) == (ssize_t) size);
    CHECK(memcmp(buffer, bytes, size) == 0);
}

static bool is(const struct secret *body, const char *bytes, size_t size)
{
    return body->size == size && (size == 0 || memcmp(body->data, bytes, size) == 0);
}

static void requests_are_framed(void)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char operation = 0;
    int p[2];

    pair(p);
    CHECK_OK(exchange_send(p[0], 'o', "body\0", 5));
    expect_packet(p[1], "\1obody\0", 7);
    CHECK_OK(exchange_send(p[0], 'w', NULL, 0));
    CHECK_OK(exchange_request(p[1], 100, &operation, &body));
    CHECK(operation == 'w' && body.size == 0);
    secret_done(&body);
    CHECK_OK(exchange_send(p[0], 'o', most, EXCHANGE_BODY_MAX));
    CHECK_OK(exchange_request(p[1], 100, &operation, &body));
    CHECK(operation == 'o' && is(&body, most, EXCHANGE_BODY_MAX));
    CHECK(exchange_send(p[0], 'o', most, EXCHANGE_BODY_MAX + 1) == -EMSGSIZE);
    close(p[0]);
    close(p[1]);
}

static void bad_requests_are_refused(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        int result;
    } bad[] = {
        { "\1", 1, -EPROTO },
        { "\2obody", 6, -EPROTONOSUPPORT },
        { "\0o", 2, -EPROTONOSUPPORT },
        { most, sizeof(most), -EMSGSIZE },
    };
    char operation = '?';
    int p[2];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct secret body = SECRET_NULL;

        pair(p);
        packet(p[0], bad[i].bytes, bad[i].size);
        CHECK(exchange_request(p[1], 100, &operation, &body) == bad[i].result);
        CHECK(operation == '?' && !body.data);
        CHECK(exchange_receive(p[0], NULL, &e) == -EINVAL && strstr(e.text, "the request is"));
        close(p[0]);
        close(p[1]);
    }
}

static void requests_end(void)
{
    struct secret body = SECRET_NULL;
    char operation;
    int p[2];

    pair(p);
    CHECK(exchange_request(p[1], 20, &operation, &body) == -ETIMEDOUT);
    close(p[0]);
    CHECK(exchange_request(p[1], 100, &operation, &body) == -ECANCELED);
    CHECK(!body.data);
    close(p[1]);
}

static void replies_are_framed(void)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    int p[2];

    pair(p);
    CHECK(exchange_receive(p[0], &body, &e) == -EAGAIN && !body.data);
    CHECK_OK(exchange_reply(p[1], "a\0b", 3));
    expect_packet(p[0], "\1+a\0b", 5);
    CHECK_OK(exchange_reply(p[1], most, EXCHANGE_BODY_MAX));
    CHECK_OK(exchange_receive(p[0], &body, &e));
    CHECK(is(&body, most, EXCHANGE_BODY_MAX));
    secret_done(&body);
    for (int i = 0; i < 3; i++) /* one request may have several */
        CHECK_OK(exchange_reply(p[1], NULL, 0));
    for (int i = 0; i < 3; i++)
        CHECK_OK(exchange_receive(p[0], NULL, &e));
    CHECK(exchange_reply(p[1], most, EXCHANGE_BODY_MAX + 1) == -EMSGSIZE);
    close(p[1]);
    CHECK(exchange_receive(p[0], &body, &e) == -ECONNRESET && !body.data && strstr(e.text, "journal"));
    close(p[0]);
}

static void failures_have_their_errnos(void)
{
    static const struct {
        int code, told;
        const char *letter;
    } codes[] = {
        { -EHOSTUNREACH, -EHOSTUNREACH, "\1l" }, { -EKEYREJECTED, -EKEYREJECTED, "\1r" }, { -EOPNOTSUPP, -EOPNOTSUPP, "\1u" },
        { -EINVAL, -EINVAL, "\1i" },             { -ENOMEM, -EHOSTUNREACH, "\1l" },
    };
    char text[600], shown[EXCHANGE_TEXT_MAX + 1];
    int p[2];

    pair(p);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        CHECK_OK(exchange_refuse(p[1], codes[i].code, "w"));
        CHECK(recv(p[0], text, sizeof(text), MSG_PEEK) == 3 && memcmp(text, codes[i].letter, 2) == 0 && text[2] == 'w');
        CHECK(exchange_receive(p[0], NULL, &e) == codes[i].told && strcmp(e.text, "w") == 0);
    }
    CHECK_OK(exchange_refuse(p[1], -EINVAL, "a\x1b[2Jb\nc\x7f\xc3\xbc"));
    CHECK(exchange_receive(p[0], NULL, &e) == -EINVAL && strcmp(e.text, "a?[2Jb?c?\xc3\xbc") == 0);
    memset(text, 't', sizeof(text));
    text[sizeof(text) - 1] = 0;
    memset(shown, 't', sizeof(shown));
    shown[EXCHANGE_TEXT_MAX] = 0;
    CHECK_OK(exchange_refuse(p[1], -EINVAL, text));
    CHECK(exchange_receive(p[0], NULL, &e) == -EINVAL && strcmp(e.text, shown) == 0);
    packet(p[1], "\1l%s%n", 6); /* no format */
    CHECK(exchange_receive(p[0], NULL, &e) == -EHOSTUNREACH && strcmp(e.text, "%s%n") == 0);
    close(p[0]);
    close(p[1]);
}

static void bad_replies(void)
{
    struct secret body = SECRET_NULL;
    int p[2];

    pair(p);
    packet(p[1], "\2+body", 6);
    CHECK(exchange_receive(p[0], &body, &e) == -EPROTONOSUPPORT);
    packet(p[1], "\1?body", 6);
    CHECK(exchange_receive(p[0], &body, &e) == -EPROTO);
    packet(p[1], "\1", 1);
    CHECK(exchange_receive(p[0], &body, &e) == -EPROTO);
    packet(p[1], most, sizeof(most));
    CHECK(exchange_receive(p[0], &body, &e) == -EPROTO);
    CHECK(!body.data);
    close(p[0]);
    close(p[1]);
}

static int helper_listen(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    strcpy(a.sun_path, path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 4) == 0);
    return fd;
}

/* A helper that serves one connection in a process of its own. */
static pid_t helper_fork(int listener, const char *mode)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        _cleanup_(secret_done) struct secret body = SECRET_NULL;
        int fd = accept(listener, NULL, NULL);
        char operation;

        CHECK_OK(exchange_request(fd, 5000, &operation, &body));
        CHECK(operation == 'o');
        if (*mode == 'e')
            CHECK_OK(exchange_reply(fd, body.data, body.size));
        else if (*mode == 'h')
            (void) poll(NULL, 0, 600);
        else
            CHECK(*mode == 'd');
        secret_done(&body);
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void calls(void)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char deep[200];
    int listener = helper_listen();
    pid_t pid;

    pid = helper_fork(listener, "echo");
    CHECK_OK(exchange_call(path, 'o', "there", 5, 5000, &body, &e));
    CHECK(is(&body, "there", 5));
    secret_done(&body);
    end(pid);
    pid = helper_fork(listener, "echo");
    CHECK_OK(exchange_call(path, 'o', "there", 5, 5000, NULL, &e));
    end(pid);
    pid = helper_fork(listener, "dies");
    CHECK(exchange_call(path, 'o', "there", 5, 5000, &body, &e) == -ECONNRESET);
    end(pid);
    pid = helper_fork(listener, "hangs");
    CHECK(exchange_call(path, 'o', "there", 5, 200, &body, &e) == -ETIMEDOUT && strstr(e.text, path));
    end(pid);
    CHECK(exchange_call(path, 'o', most, EXCHANGE_BODY_MAX + 1, 200, &body, &e) == -EMSGSIZE);
    close(accept(listener, NULL, NULL));
    close(listener);
    CHECK(exchange_call(path, 'o', NULL, 0, 200, &body, &e) == -ECONNREFUSED && strstr(e.text, path));
    CHECK(unlink(path) == 0);
    CHECK(exchange_call(path, 'o', NULL, 0, 200, &body, &e) == -ENOENT);
    memset(deep, '/', sizeof(deep));
    deep[sizeof(deep) - 1] = 0;
    CHECK(exchange_connect(deep) == -ENAMETOOLONG);
    CHECK(!body.data);
}

int main(void)
{
    CHECK_OK(secret_init());
    CHECK(mkdtemp(folder));
    (void) snprintf(path, sizeof(path), "%s/helper.sock", folder);
    memset(most, 'm', sizeof(most));
    most[0] = EXCHANGE_VERSION;
    most[1] = '+';
    requests_are_framed();
    bad_requests_are_refused();
    requests_end();
    replies_are_framed();
    failures_have_their_errnos();
    bad_replies();
    calls();
    CHECK(rmdir(folder) == 0);
    return 0;
}
