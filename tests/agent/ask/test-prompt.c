/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's side of a query; the helper is played here. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ask/ask_protocol.h"
#include "prompt/prompt.h"
#include "test.h"

static char folder[] = "/tmp/test-prompt-XXXXXX";
static char path[64];
static uv_loop_t loop;
static int listener;

static struct {
    int calls, result;
    bool agent;
    struct secret answer;
} seen;

static void answered(void *data, int result, struct secret *answer, bool agent)
{
    CHECK(data == &seen);
    seen.calls++;
    seen.result = result;
    seen.agent = agent;
    CHECK((result == 0) == (answer != NULL));
    if (answer)
        seen.answer = secret_take(answer);
}

static void reset(void)
{
    secret_done(&seen.answer);
    memset(&seen, 0, sizeof(seen));
}

static int helper_listen(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    strcpy(a.sun_path, path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 1) == 0);
    return fd;
}

static int start(const char *message, unsigned flags, struct prompt **ret)
{
    return prompt_start(&loop, path, message, flags, answered, &seen, ret);
}

static int helper_accept(const char *request, size_t size)
{
    char packet[1024];
    int fd = accept(listener, NULL, NULL);

    CHECK(fd >= 0);
    CHECK(recv(fd, packet, sizeof(packet), 0) == (ssize_t) size);
    CHECK(memcmp(packet, request, size) == 0);
    return fd;
}

static void run(void)
{
    CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
}

static void reply_gives(const char *reply, size_t size, int result, size_t answer_size)
{
    struct prompt *p;
    int fd;

    reset();
    CHECK_OK(start("key?", ASK_FLAG_ACCEPT_CACHED, &p));
    fd = helper_accept("\1\1key?", 6);
    (void) uv_run(&loop, UV_RUN_NOWAIT);
    CHECK(seen.calls == 0);
    if (size > 0)
        CHECK(send(fd, reply, size, MSG_NOSIGNAL) == (ssize_t) size);
    close(fd);
    run();
    CHECK(seen.calls == 1);
    CHECK(seen.result == result);
    CHECK(seen.answer.size == answer_size);
    CHECK(seen.agent == (result == 0 && reply[0] == '*'));
    CHECK(answer_size == 0 || memcmp(seen.answer.data, reply + 1, answer_size) == 0);
}

static void replies(void)
{
    char most[ASK_REPLY_MAX + 1];

    memset(most, 'k', sizeof(most));
    most[0] = '+';
    reply_gives("+SWMKEY", 7, 0, 6);
    reply_gives("+", 1, 0, 0);
    reply_gives("*found", 6, 0, 5);
    reply_gives(most, ASK_REPLY_MAX, 0, ASK_ANSWER_MAX);
    reply_gives(most, sizeof(most), -EPROTO, 0);
    reply_gives("-", 1, -ECANCELED, 0);
    reply_gives("!", 1, -EMSGSIZE, 0);
    reply_gives("-x", 2, -EPROTO, 0);
    reply_gives("?", 1, -EPROTO, 0);
    reply_gives("", 0, -ECONNRESET, 0);
}

/* As when the helper cannot be started: the kernel then tells of the lost request, too. */
static void unread_request_is_a_lost_helper(void)
{
    struct prompt *p;
    int fd;

    reset();
    CHECK_OK(start("key?", 0, &p));
    fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    close(fd);
    run();
    CHECK(seen.calls == 1 && seen.result == -ECONNRESET);
}

static void cancelling_hangs_up(void)
{
    struct prompt *p;
    char byte;
    int fd;

    reset();
    CHECK_OK(start("key?", 0, &p));
    fd = helper_accept("\1\0key?", 6);
    prompt_cancel(p);
    CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) == 0); /* at once, before the loop runs */
    run();
    CHECK(seen.calls == 0);
    close(fd);
    prompt_cancel(NULL);
}

static void bad_starts(void)
{
    struct prompt *p = (struct prompt *) &seen;
    char message[ASK_MESSAGE_MAX + 2], long_path[200];
    int fd;

    memset(message, 'm', sizeof(message));
    message[sizeof(message) - 1] = 0;
    CHECK(start(message, 0, &p) == -EMSGSIZE);
    close(accept(listener, NULL, NULL));
    CHECK(start("", 0, &p) == -EINVAL);
    close(accept(listener, NULL, NULL));
    memset(long_path, '/', sizeof(long_path));
    long_path[sizeof(long_path) - 1] = 0;
    CHECK(prompt_start(&loop, long_path, "m", 0, answered, &seen, &p) == -ENAMETOOLONG);
    CHECK(prompt_start(&loop, "/nonexistent/sock", "m", 0, answered, &seen, &p) == -ENOENT);
    CHECK(p == (struct prompt *) &seen);

    message[ASK_MESSAGE_MAX] = 0;
    CHECK_OK(start(message, 0, &p));
    fd = accept(listener, NULL, NULL);
    prompt_cancel(p);
    close(fd);
    run();
    CHECK_OK(start("m", ASK_FLAG_AGENT, &p));
    close(helper_accept("\1\2m", 3));
    prompt_cancel(p);
    run();
}

static void no_helper(void)
{
    struct prompt *p;

    close(listener);
    CHECK(start("m", 0, &p) == -ECONNREFUSED);
    CHECK(unlink(path) == 0);
    CHECK(start("m", 0, &p) == -ENOENT);
}

int main(void)
{
    CHECK_OK(secret_init());
    CHECK(mkdtemp(folder));
    (void) snprintf(path, sizeof(path), "%s/ask.sock", folder);
    listener = helper_listen();
    CHECK_OK(uv_loop_init(&loop));
    replies();
    unread_request_is_a_lost_helper();
    cancelling_hangs_up();
    bad_starts();
    no_helper();
    reset();
    CHECK_OK(uv_loop_close(&loop));
    CHECK(rmdir(folder) == 0);
    return 0;
}
