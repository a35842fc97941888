/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-agent SWARM-AGENT: the agent between queries and helpers that are played here. Mostly it runs from its library, with less patience. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ask/ask_protocol.h"
#include "ask/query.h"
#include "exchange/exchange.h"
#include "open/open_protocol.h"
#include "open/open_reply.h"
#include "test.h"
#include "unattended.h"
#include "unlock/unlock_protocol.h"

#define OPEN_MS 700
#define SOON_MS 2000
#define SILENCE_MS 400
#define ALL OPEN_MASK_ALL

static char folder[] = "/tmp/test-agent-XXXXXX";
static char queries[64], helpers[64], journal[64];
static int opens = -1, watches = -1; /* the helpers' sockets */
static pid_t agent;
static int stop = -1;
static const char *program;

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int helper_listen(const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void) snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", helpers, name);
    (void) unlink(a.sun_path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 8) == 0);
    return fd;
}

static void helpers_start(void)
{
    watches = helper_listen("unlock.sock"); /* first: that it is missing is found out with the next try only */
    opens = helper_listen("open.sock");
}

static bool is_readable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, ms) == 1;
}

/* A connection whose request is operation. */
static int take(int listener, char operation, struct secret *ret_body)
{
    int fd;
    char got;

    CHECK(is_readable(listener, SOON_MS));
    fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_OK(exchange_request(fd, SOON_MS, &got, ret_body));
    CHECK(got == operation);
    return fd;
}

static int take_open(uint32_t expected)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    int fd = take(opens, OPEN_OPEN, &body);
    uint32_t mask = 0;

    CHECK(body.size == OPEN_MASK_SIZE);
    for (unsigned i = 0; i < 4; i++)
        mask |= (uint32_t) body.data[i] << (8 * i);
    CHECK(mask == expected);
    return fd;
}

static int take_watch(void)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    int fd = take(watches, UNLOCK_WATCH, &body);

    CHECK(body.size == 0);
    return fd;
}

static void say(int fd, struct open_reply *r)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;

    CHECK_OK(open_reply_format(r, &body));
    CHECK_OK(exchange_reply(fd, body.data, body.size));
    open_reply_done(r);
    close(fd);
}

static void say_opened(int fd, const char *passphrase)
{
    struct open_reply r = { .slot = 2, .kind = "clevis" };

    CHECK_OK(secret_copy(passphrase, strlen(passphrase), &r.passphrase));
    say(fd, &r);
}

static void say_unreachable(int fd)
{
    struct open_reply r = OPEN_REPLY_NULL;

    open_reply_add(&r, 2, "clevis", -EHOSTUNREACH, "http://t1 does not answer");
    say(fd, &r);
}

static void expect_hang_up(int fd, int ms)
{
    char byte;

    CHECK(is_readable(fd, ms));
    CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
    close(fd);
}

static void expect_silence(void)
{
    struct pollfd p[] = { { .fd = opens, .events = POLLIN }, { .fd = watches, .events = POLLIN } };

    CHECK(poll(p, 2, SILENCE_MS) == 0);
}

static struct query ask_flags(bool may)
{
    struct request request = { .agent = may, .message = "key?" };
    struct query q;

    CHECK_OK(query_open(queries, &request, &q, NULL));
    return q;
}

static struct query ask(void)
{
    return ask_flags(true);
}

/* As swarm-ask checks it. */
static void expect_answer(const struct query *q, const char *expected)
{
    struct sockaddr_un from;
    struct iovec v;
    struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &v, .msg_iovlen = 1 };
    char packet[2000];

    v = (struct iovec) { packet, sizeof(packet) };
    CHECK(is_readable(q->fd, SOON_MS));
    CHECK(recvmsg(q->fd, &m, 0) == (ssize_t) strlen(expected) && memcmp(packet, expected, strlen(expected)) == 0);
    CHECK(m.msg_namelen == offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ASK_AGENT_NAME));
    CHECK(from.sun_path[0] == 0 && memcmp(from.sun_path + 1, ASK_AGENT_NAME, strlen(ASK_AGENT_NAME)) == 0);
}

static void expect_no_answer(const struct query *q)
{
    CHECK(!is_readable(q->fd, 0));
}

static pid_t agent_fork(void)
{
    pid_t pid;

    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int fd = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        CHECK(fd >= 0 && dup2(fd, 2) == 2);
        CHECK(unsetenv("JOURNAL_STREAM") == 0);
    }
    return pid;
}

static void agent_start(void)
{
    struct unattended_config config = { .folder = queries, .helpers = helpers, .open_ms = OPEN_MS };
    static struct unattended u;
    struct error e;
    int p[2], r;

    CHECK(pipe2(p, O_CLOEXEC) == 0);
    agent = agent_fork();
    if (agent == 0) {
        close(p[1]);
        close(opens); /* or nobody could see the helpers go */
        close(watches);
        r = unattended_open(&u, &config, &e);
        while (r == 0)
            r = unattended_wait(&u, p[0], &e);
        unattended_done(&u);
        exit(r != -ECANCELED);
    }
    close(p[0]);
    stop = p[1];
}

static void agent_stop(void)
{
    int status;

    close(stop);
    CHECK(waitpid(agent, &status, 0) == agent && status == 0);
}

static int count_said(const char *text)
{
    char said[8192];
    int fd = open(journal, O_RDONLY | O_CREAT | O_CLOEXEC, 0600), n = 0;
    ssize_t size = read(fd, said, sizeof(said) - 1);

    CHECK(fd >= 0 && size >= 0);
    close(fd);
    said[size] = 0;
    for (const char *p = said; (p = strstr(p, text)); p++)
        n++;
    return n;
}

static void forget_said(void)
{
    CHECK(truncate(journal, 0) == 0);
}

/* How often the journal has said that, since it was asked last. */
static int told(const char *text)
{
    int n = count_said(text);

    forget_said();
    return n;
}

static void answers_once(void)
{
    struct query q = ask(); /* before the agent is there */
    int watch;

    agent_start();
    watch = take_watch();
    say_opened(take_open(ALL), "pass phrase");
    expect_answer(&q, "+pass phrase");
    expect_hang_up(watch, SOON_MS);
    expect_silence(); /* though the query still stands */
    CHECK(told("keyslot 2 (clevis)") == 1);
    query_done(&q);

    q = ask();
    watch = take_watch();
    say_opened(take_open(ALL), "another");
    expect_answer(&q, "+another");
    query_done(&q);
    expect_hang_up(watch, SOON_MS);
    agent_stop();
    CHECK(told("pass") == 0);
}

/* The guard against loops: the manager no longer lets the agent answer after the agent's key was wrong. */
static void leaves_other_queries_alone(void)
{
    struct query guarded = ask_flags(false);
    char path[128];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/ask.other", queries);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && dprintf(fd, "[Ask]\nSocket=%s\nId=other\nX-SwarmAgent=1\n", guarded.address.sun_path) > 0);
    close(fd);
    agent_start();
    expect_silence();
    expect_no_answer(&guarded);
    query_done(&guarded);
    guarded = ask_flags(false);
    expect_silence();
    query_done(&guarded);
    CHECK(unlink(path) == 0);
    agent_stop();
}

static void tries_again_with_growing_pauses(void)
{
    struct query q = ask();
    int64_t last = 0;
    int watch;

    agent_start();
    watch = take_watch();
    for (int i = 0; i < 4; i++) {
        int fd = take_open(ALL);
        int64_t now = now_ms(), least = FIRST_PAUSE_MS << i;

        if (i > 0)
            CHECK(now - last >= least / 2 && now - last < least / 2 + 200);
        last = now;
        say_unreachable(fd);
    }
    CHECK_OK(exchange_reply(watch, NULL, 0)); /* the network changes: at once, and from the start */
    last = now_ms();
    say_unreachable(take_open(ALL));
    CHECK(now_ms() - last < FIRST_PAUSE_MS + 100);
    last = now_ms();
    say_opened(take_open(ALL), "p");
    CHECK(now_ms() - last < FIRST_PAUSE_MS + 100);
    expect_answer(&q, "+p");
    query_done(&q);
    expect_hang_up(watch, SOON_MS);
    CHECK(told("does not answer") == 1);
    agent_stop();
}

/* News during a try count for the next one; a broken watch is made anew. */
static void network_changes_are_not_missed(void)
{
    struct query q = ask();
    int watch, fd;
    int64_t began;

    agent_start();
    watch = take_watch();
    for (int i = 0; i < 3; i++)
        say_unreachable(take_open(ALL));
    fd = take_open(ALL);
    CHECK_OK(exchange_reply(watch, NULL, 0));
    (void) poll(NULL, 0, 50);
    began = now_ms();
    say_unreachable(fd);
    fd = take_open(ALL);
    CHECK(now_ms() - began < FIRST_PAUSE_MS + 100);
    close(watch);
    (void) poll(NULL, 0, 50);
    say_unreachable(fd);
    watch = take_watch();
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    query_done(&q);
    expect_hang_up(watch, SOON_MS);
    agent_stop();
}

static void settled_refusals_are_not_tried_again(void)
{
    struct open_reply r = OPEN_REPLY_NULL;
    struct query q = ask();
    int watch;

    agent_start();
    watch = take_watch();
    open_reply_add(&r, 0, "systemd-tpm2", -EKEYREJECTED, "PCR 7 differs");
    open_reply_add(&r, 1, "systemd-fido2", -EOPNOTSUPP, "needs a person");
    open_reply_add(&r, 2, "clevis", -EKEYREJECTED, "the key is not there");
    open_reply_add(&r, 31, "clevis", -EOPNOTSUPP, "unknown pin");
    open_reply_add(&r, 4, "systemd-tpm2", -EHOSTUNREACH, "busy");
    say(take_open(ALL), &r);
    open_reply_add(&r, 2, "clevis", -EKEYREJECTED, "the key is not there");
    open_reply_add(&r, 4, "systemd-tpm2", -EKEYREJECTED, "PCR 7 differs");
    say(take_open(ALL & ~(1U | 2U | 1U << 31)), &r);
    open_reply_add(&r, 2, "clevis", -EOPNOTSUPP, "unknown pin");
    say(take_open(ALL & ~(1U | 2U | 1U << 31 | 1U << 4)), &r);
    expect_hang_up(watch, SOON_MS); /* nothing is left */
    expect_silence();
    expect_silence();
    forget_said();
    query_done(&q);

    q = ask(); /* a person's typo: another prompt, in which all may have changed */
    watch = take_watch();
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    query_done(&q);
    close(watch);
    agent_stop();
}

static void nothing_to_try_is_left_at_that(void)
{
    struct open_reply r = OPEN_REPLY_NULL;
    struct query q = ask();
    int watch;

    forget_said();
    agent_start();
    watch = take_watch();
    say(take_open(ALL), &r);
    expect_hang_up(watch, SOON_MS);
    expect_silence();
    query_done(&q);
    agent_stop();
    CHECK(told("\n") == 0);
}

static void failures_are_told_once_and_when_they_change(void)
{
    static const char *const texts[] = { "one after 7 ms", "one after 12 ms", "two", "two", "three", "four", "five" };
    struct open_reply r = OPEN_REPLY_NULL;
    struct query q = ask();
    int watch;

    agent_start();
    watch = take_watch();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        open_reply_add(&r, 2, "clevis", -EHOSTUNREACH, texts[i]);
        if (i == 3)
            open_reply_add(&r, 3, "clevis", -EHOSTUNREACH, "two");
        say(take_open(ALL), &r);
        CHECK_OK(exchange_reply(watch, NULL, 0)); /* quickly */
    }
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    expect_hang_up(watch, SOON_MS);
    query_done(&q);
    agent_stop();
    CHECK(count_said("Keyslot 2 (clevis) does not unlock the swarm manager: one after 7 ms\n") == 1 && count_said("one") == 1);
    CHECK(count_said(": two\n") == 2 && count_said(": three\n") == 1);
    CHECK(count_said(": four\n") == 1 && count_said(": five\n") == 0); /* enough said */
    CHECK(told("Keyslot 3") == 1);
}

static void a_vanished_prompt_cancels(void)
{
    struct query q;
    int watch, fd;
    int64_t began;

    agent_start();
    q = ask();
    watch = take_watch();
    fd = take_open(ALL);
    began = now_ms();
    query_done(&q);
    expect_hang_up(fd, SOON_MS);
    expect_hang_up(watch, SOON_MS);
    CHECK(now_ms() - began < 200);
    expect_silence();

    q = ask(); /* in a pause as well */
    watch = take_watch();
    say_unreachable(take_open(ALL));
    query_done(&q);
    expect_hang_up(watch, SOON_MS);
    expect_silence();
    agent_stop();
    forget_said();
}

static void a_hung_helper_is_given_up(void)
{
    struct query q = ask();
    int watch, fd;
    int64_t began;

    agent_start();
    watch = take_watch();
    fd = take_open(ALL);
    began = now_ms();
    expect_hang_up(fd, SOON_MS);
    CHECK(now_ms() - began > OPEN_MS - 100 && now_ms() - began < OPEN_MS + 500);
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    CHECK(told("did not answer within") == 1);
    query_done(&q);
    close(watch);
    agent_stop();
}

static void bad_helpers_are_borne(void)
{
    struct query q = ask();
    int watch, fd;

    agent_start();
    watch = take_watch();
    close(take_open(ALL));
    fd = take_open(ALL);
    CHECK_OK(exchange_reply(fd, "{}", 2));
    close(fd);
    fd = take_open(ALL);
    CHECK_OK(exchange_refuse(fd, -EKEYREJECTED, "the lock is missing"));
    close(fd);
    CHECK_OK(exchange_reply(watch, NULL, 0));
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    CHECK(told("Cannot unlock") == 3);
    query_done(&q);
    close(watch);

    close(opens); /* not even there */
    close(watches);
    q = ask();
    (void) poll(NULL, 0, 400);
    helpers_start();
    close(take_watch());
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    query_done(&q);
    CHECK(told("does not answer") == 1);
    agent_stop();
}

static void a_restarted_agent_goes_on(void)
{
    struct query q = ask();
    int status;

    agent_start();
    close(take_watch());
    close(take_open(ALL));
    CHECK(kill(agent, SIGKILL) == 0 && waitpid(agent, &status, 0) == agent);
    close(stop);
    agent_start();
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    query_done(&q);
    agent_stop();
    while (is_readable(watches, 0))
        close(accept(watches, NULL, NULL));
    while (is_readable(opens, 0))
        close(accept(opens, NULL, NULL));
    forget_said();
}

/* What a killed swarm-ask leaves; and several at once. */
static void the_awaited_query_is_answered(void)
{
    struct query dead = ask(), q, other;
    int watch;

    close(dead.fd);
    agent_start();
    expect_silence();
    q = ask();
    watch = take_watch();
    other = ask();
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    close(watch);
    watch = take_watch();
    say_opened(take_open(ALL), "q");
    expect_answer(&other, "+q");
    expect_silence();
    close(watch);
    query_done(&q);
    query_done(&other);
    dead.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* lets it remove its files */
    query_done(&dead);
    agent_stop();
    forget_said();
}

/* A query with an end, as those of ours never have. */
static void ends_are_kept(void)
{
    struct query q = ask_flags(false);
    char path[128], hidden[128];
    int watch, fd;
    int64_t began = now_ms();

    agent_start();
    for (int64_t left = -1000; left <= 600; left += 1600) {
        (void) snprintf(path, sizeof(path), "%s/ask.ends", queries);
        (void) snprintf(hidden, sizeof(hidden), "%s/.ask.ends", queries);
        fd = open(hidden, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        CHECK(fd >= 0 && dprintf(fd, "[Ask]\nSocket=%s\nNotAfter=%lld\nId=%s\nX-SwarmAgent=1\n", q.address.sun_path,
                                 (long long) (began + left) * 1000, ASK_ID) > 0);
        close(fd);
        CHECK(rename(hidden, path) == 0);
        if (left < 0) {
            expect_silence();
            began = now_ms();
            continue;
        }
        watch = take_watch();
        fd = take_open(ALL);
        expect_hang_up(fd, SOON_MS);
        expect_hang_up(watch, SOON_MS);
        CHECK(now_ms() - began >= 590 && now_ms() - began < 680);
        expect_silence();
    }
    CHECK(unlink(path) == 0);
    query_done(&q);
    agent_stop();
    forget_said();
}

static long status_value(pid_t pid, const char *name)
{
    char path[64], line[256];
    long value = -1;
    FILE *f;

    (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
    f = fopen(path, "re");
    CHECK(f);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name), NULL, 10);
    (void) fclose(f);
    return value;
}

static pid_t exec_agent(const char *a, const char *b)
{
    pid_t pid = agent_fork();

    if (pid == 0) {
        (void) execl(program, program, a, b, (char *) NULL);
        _exit(99);
    }
    return pid;
}

static int exit_status(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The program itself: asleep while nothing is asked, and gone when it is told to go. */
static void the_program_sleeps_and_ends(void)
{
    struct query q = ask();
    pid_t pid = exec_agent(queries, helpers);
    long switches, resident;
    char gone[128];
    int watch;

    watch = take_watch();
    say_opened(take_open(ALL), "p");
    expect_answer(&q, "+p");
    query_done(&q);
    expect_hang_up(watch, SOON_MS);
    (void) poll(NULL, 0, 100);
    switches = status_value(pid, "voluntary_ctxt_switches:");
    resident = status_value(pid, "VmRSS:");
    (void) poll(NULL, 0, 1500);
    CHECK(status_value(pid, "voluntary_ctxt_switches:") == switches);
    printf("resident: %ld KiB\n", resident);
    CHECK(kill(pid, SIGTERM) == 0);
    CHECK(exit_status(pid) == 0);

    CHECK(exit_status(exec_agent("/nonexistent", helpers)) == 1);
    CHECK(exit_status(exec_agent("relative", helpers)) == 2);
    CHECK(exit_status(exec_agent(queries, NULL)) == 2);
    (void) snprintf(gone, sizeof(gone), "%s/gone", folder);
    CHECK(mkdir(gone, 0755) == 0);
    pid = exec_agent(gone, helpers);
    (void) poll(NULL, 0, 300);
    CHECK(rmdir(gone) == 0);
    CHECK(exit_status(pid) == 1);
}

int main(int argc, char *argv[])
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) { /* abstract names are the network namespace's */
        puts("skipped: only root can make queries that count, in a network namespace of its own");
        return 77;
    }
    CHECK(argc == 2);
    program = argv[1];
    CHECK_OK(secret_init());
    CHECK(mkdtemp(folder));
    (void) snprintf(queries, sizeof(queries), "%s/queries", folder);
    (void) snprintf(helpers, sizeof(helpers), "%s/helpers", folder);
    (void) snprintf(journal, sizeof(journal), "%s/journal", folder);
    CHECK(mkdir(queries, 0755) == 0 && mkdir(helpers, 0755) == 0);
    helpers_start();
    answers_once();
    leaves_other_queries_alone();
    tries_again_with_growing_pauses();
    network_changes_are_not_missed();
    settled_refusals_are_not_tried_again();
    nothing_to_try_is_left_at_that();
    failures_are_told_once_and_when_they_change();
    a_vanished_prompt_cancels();
    a_hung_helper_is_given_up();
    bad_helpers_are_borne();
    a_restarted_agent_goes_on();
    the_awaited_query_is_answered();
    ends_are_kept();
    the_program_sleeps_and_ends();
    for (int i = 0; i < 2; i++) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/%s", helpers, i ? "open.sock" : "unlock.sock");
        CHECK(unlink(path) == 0);
    }
    CHECK(unlink(journal) == 0 && rmdir(helpers) == 0 && rmdir(queries) == 0 && rmdir(folder) == 0);
    return 0;
}
