/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-ask SWARM-ASK: the helper between a manager and agents played here, in a folder of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ask/answer.h"
#include "ask/query.h"
#include "test.h"

#define NOBODY 65534

static const char *program;
static char folder[] = "/tmp/test-ask-XXXXXX";

static int helper_start(pid_t *ret)
{
    int pair[2];
    pid_t pid;

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void) dup2(pair[1], 0);
        (void) execl(program, program, folder, (char *) NULL);
        _exit(99);
    }
    close(pair[1]);
    *ret = pid;
    return pair[0];
}

static int helper_end(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static unsigned files(const char *prefix, char *ret)
{
    DIR *d = opendir(folder);
    unsigned n = 0;

    CHECK(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            n++;
            if (ret)
                (void) snprintf(ret, PATH_MAX, "%s/%s", folder, entry->d_name);
        }
    closedir(d);
    return n;
}

static void wait_files(const char *prefix, unsigned n)
{
    for (int i = 0; i < 500 && files(prefix, NULL) != n; i++)
        (void) poll(NULL, 0, 10);
    CHECK(files(prefix, NULL) == n);
}

static int ask(const char *packet, size_t size, pid_t *ret_pid)
{
    int fd = helper_start(ret_pid);

    CHECK(send(fd, packet, size, MSG_NOSIGNAL) == (ssize_t) size);
    wait_files("ask.", 1);
    return fd;
}

#define ASK(flag, message, pid) ask("\1" flag message, sizeof("\1" flag message) - 1, pid)

static int agent_answer_from(const char *name, const char *packet, size_t size)
{
    struct sockaddr_un from = { .sun_family = AF_UNIX }, a = { .sun_family = AF_UNIX };
    char path[PATH_MAX];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;

    CHECK(fd >= 0 && files("sck.", path) == 1);
    CHECK(strlen(path) < sizeof(a.sun_path));
    strcpy(a.sun_path, path);
    if (name) { /* abstract */
        memcpy(from.sun_path + 1, name, strlen(name));
        CHECK(bind(fd, (struct sockaddr *) &from, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) == 0);
    }
    r = sendto(fd, packet, size, MSG_NOSIGNAL, (struct sockaddr *) &a, sizeof(a)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static int agent_answer(const char *packet, size_t size)
{
    return agent_answer_from(NULL, packet, size);
}

static void expect_reply(int fd, const char *reply, size_t size)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char buffer[4096];

    CHECK(poll(&p, 1, 5000) == 1);
    CHECK(recv(fd, buffer, sizeof(buffer), 0) == (ssize_t) size);
    CHECK(memcmp(buffer, reply, size) == 0);
    CHECK(recv(fd, buffer, sizeof(buffer), 0) == 0);
    close(fd);
}

static void expect_silence(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    CHECK(poll(&p, 1, 100) == 0);
    CHECK(files("ask.", NULL) == 1);
}

static void expect_nothing_left(void)
{
    CHECK(files("", NULL) == 0);
}

static void query_file_is_as_specified(void)
{
    char path[PATH_MAX], socket_path[PATH_MAX], text[1024], expected[2 * PATH_MAX];
    struct stat st;
    pid_t pid;
    FILE *f;
    int fd = ASK("\1", "Please enter \xc3\xbc:", &pid);

    CHECK(files("ask.", path) == 1 && files("sck.", socket_path) == 1);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0644);
    CHECK(stat(socket_path, &st) == 0 && (st.st_mode & 077) == 0);
    f = fopen(path, "re");
    CHECK(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    (void) fclose(f);
    (void) snprintf(expected, sizeof(expected),
                    "[Ask]\nPID=%d\nSocket=%s\nAcceptCached=1\nEcho=0\nNotAfter=0\nSilent=0\nIcon=drive-harddisk\n"
                    "Id=swarm-manager:unlock\nX-SwarmAgent=0\nMessage=Please enter \xc3\xbc:\n",
                    (int) pid, socket_path);
    CHECK(strcmp(text, expected) == 0);
    CHECK(agent_answer("+secret key\0", 12) == 0);
    expect_reply(fd, "+secret key", 11);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

static void answers_are_forwarded(void)
{
    char most[2 * ASK_ANSWER_MAX];
    pid_t pid;
    int fd;

    fd = ASK("\0", "q", &pid);
    CHECK(agent_answer("-", 1) == 0);
    expect_reply(fd, "-", 1);
    CHECK(helper_end(pid) == 0);

    fd = ASK("\0", "q", &pid);
    CHECK(agent_answer("+first\0second\0", 14) == 0);
    expect_reply(fd, "+first", 6);
    CHECK(helper_end(pid) == 0);

    memset(most, 'k', sizeof(most));
    most[0] = '+';
    fd = ASK("\0", "q", &pid);
    CHECK(agent_answer(most, 1 + ASK_ANSWER_MAX) == 0);
    expect_reply(fd, most, 1 + ASK_ANSWER_MAX);
    CHECK(helper_end(pid) == 0);

    fd = ASK("\0", "q", &pid);
    CHECK(agent_answer(most, sizeof(most)) == 0);
    expect_reply(fd, "!", 1);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

static void swarm_agent_is_told_apart(void)
{
    static const char *const others[] = { "swarm-agen", "swarm-agents", "other" };
    char path[PATH_MAX], text[1024];
    pid_t pid;
    FILE *f;
    int fd = ASK("\2", "q", &pid);

    CHECK(files("ask.", path) == 1);
    f = fopen(path, "re");
    CHECK(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    (void) fclose(f);
    CHECK(strstr(text, "\nAcceptCached=0\n") && strstr(text, "\nX-SwarmAgent=1\n"));
    CHECK(agent_answer_from("swarm-agent", "+found\0", 7) == 0);
    expect_reply(fd, "*found", 6);
    CHECK(helper_end(pid) == 0);

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        fd = ASK("\3", "q", &pid);
        CHECK(agent_answer_from(others[i], "+typed", 6) == 0);
        expect_reply(fd, "+typed", 6);
        CHECK(helper_end(pid) == 0);
    }
    fd = ASK("\3", "q", &pid); /* a person's, though the agent may answer */
    CHECK(agent_answer("+typed", 6) == 0);
    expect_reply(fd, "+typed", 6);
    CHECK(helper_end(pid) == 0);
    fd = ASK("\3", "q", &pid);
    CHECK(agent_answer_from("swarm-agent", "-", 1) == 0);
    expect_reply(fd, "-", 1);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

/* The name says swarm-agent, the uid says that it is not. */
static void name_without_root_is_nothing(void)
{
    char path[PATH_MAX];
    pid_t pid, other;
    int fd = ASK("\2", "q", &pid);

    CHECK(files("sck.", path) == 1 && chmod(path, 0666) == 0);
    other = fork();
    CHECK(other >= 0);
    if (other == 0)
        _exit(setgid(NOBODY) == 0 && setuid(NOBODY) == 0 && agent_answer_from("swarm-agent", "+forged", 7) == 0 ? 0 : 1);
    CHECK(helper_end(other) == 0);
    expect_silence(fd);
    close(fd);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

static void other_packets_are_ignored(void)
{
    pid_t pid;
    int fd = ASK("\0", "q", &pid);

    CHECK(agent_answer("", 0) == 0);
    CHECK(agent_answer("nonsense", 8) == 0);
    expect_silence(fd);
    CHECK(agent_answer("+k", 2) == 0);
    expect_reply(fd, "+k", 2);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

static void only_root_may_answer(void)
{
    char path[PATH_MAX];
    pid_t pid, other;
    int fd = ASK("\0", "q", &pid);

    CHECK(files("sck.", path) == 1);
    for (int open = 0; open < 2; open++) {
        if (open) /* the mode is the first guard, the sender's uid the second */
            CHECK(chmod(path, 0666) == 0);
        other = fork();
        CHECK(other >= 0);
        if (other == 0)
            _exit(setgid(NOBODY) == 0 && setuid(NOBODY) == 0 && agent_answer("+forged", 7) == (open ? 0 : -EACCES) ? 0 : 1);
        CHECK(helper_end(other) == 0);
        expect_silence(fd);
    }
    CHECK(agent_answer("+root's", 7) == 0);
    expect_reply(fd, "+root's", 7);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

static void hang_up_and_signals_withdraw(void)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    pid_t pid;
    int fd = ASK("\0", "q", &pid);

    close(fd);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        fd = ASK("\0", "q", &pid);
        CHECK(kill(pid, signals[i]) == 0);
        CHECK(helper_end(pid) == 0);
        close(fd);
        expect_nothing_left();
    }
    fd = ASK("\0", "q", &pid); /* more than the one packet */
    CHECK(send(fd, "\1\0q", 3, MSG_NOSIGNAL) == 3);
    CHECK(helper_end(pid) == 0);
    close(fd);
    expect_nothing_left();
}

static void bad_requests_are_refused(void)
{
    static const struct {
        const char *packet;
        size_t size;
    } bad[] = { { "\1\0a\nMessage=b", 13 }, { "\2\0a", 3 }, { "\1\0", 2 }, { "\1\4a", 3 }, { "\1\0\xff", 3 } };
    char large[600];
    pid_t pid;
    int fd;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fd = helper_start(&pid);
        CHECK(send(fd, bad[i].packet, bad[i].size, MSG_NOSIGNAL) == (ssize_t) bad[i].size);
        CHECK(helper_end(pid) == 1);
        CHECK(recv(fd, large, sizeof(large), 0) == 0);
        close(fd);
    }
    memset(large, 'm', sizeof(large));
    memcpy(large, "\1\0", 2);
    fd = helper_start(&pid);
    CHECK(send(fd, large, sizeof(large), MSG_NOSIGNAL) == sizeof(large));
    CHECK(helper_end(pid) == 1);
    close(fd);
    fd = helper_start(&pid); /* nothing at all */
    close(fd);
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

static void unusable_folder_is_told(void)
{
    struct request request = { .message = "q" };
    struct query q;
    struct error e;
    char deep[120];

    memset(deep, 'd', sizeof(deep) - 1);
    deep[0] = '/';
    deep[sizeof(deep) - 1] = 0;
    CHECK(query_open("/nonexistent", &request, &q, &e) == -ENOENT && strstr(e.text, "/nonexistent"));
    CHECK(query_open(deep, &request, &q, &e) == -ENAMETOOLONG);
    CHECK(query_open("/proc", &request, &q, &e) < 0);
}

/* A full disk or a limit must leave neither a query nor its socket. */
static void failed_write_leaves_nothing(void)
{
    struct rlimit none = { 0, 0 };
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        struct request request = { .message = "q" };
        struct query q;

        (void) signal(SIGXFSZ, SIG_IGN);
        _exit(setrlimit(RLIMIT_FSIZE, &none) == 0 && query_open(folder, &request, &q, NULL) == -EFBIG ? 0 : 1);
    }
    CHECK(helper_end(pid) == 0);
    expect_nothing_left();
}

static void leftovers_are_collected(void)
{
    static const struct timespec young = { QUERY_YOUNG + 1, 100 * 1000 * 1000 };
    char path[PATH_MAX], live_file[PATH_MAX], other[PATH_MAX + 32];
    pid_t killed, live, pid;
    int fd, live_fd;

    fd = ASK("\0", "killed", &killed);
    CHECK(kill(killed, SIGKILL) == 0);
    CHECK(helper_end(killed) == 128 + SIGKILL);
    close(fd);
    CHECK(files("ask.", path) == 1 && files("sck.", live_file) == 1);
    CHECK_OK(utimensat(AT_FDCWD, live_file, NULL, 0)); /* its age counts from here */
    (void) snprintf(other, sizeof(other), "%s/ask.other", folder);
    close(creat(other, 0644));
    query_collect(folder); /* too young */
    CHECK(files("ask.", NULL) == 2);
    (void) nanosleep(&young, NULL);

    live_fd = helper_start(&live);
    CHECK(send(live_fd, "\1\0live", 6, MSG_NOSIGNAL) == 6);
    for (int i = 0; i < 500 && access(path, F_OK) == 0; i++)
        (void) poll(NULL, 0, 10);
    CHECK(access(path, F_OK) < 0 && errno == ENOENT);
    wait_files("ask.swarm-", 1);
    CHECK(files("ask.swarm-", live_file) == 1 && files("sck.", NULL) == 1);
    CHECK(access(other, F_OK) == 0);
    (void) nanosleep(&young, NULL);

    fd = helper_start(&pid); /* a live one stays, whatever its age */
    CHECK(send(fd, "\1\0next", 6, MSG_NOSIGNAL) == 6);
    wait_files("ask.swarm-", 2);
    CHECK(access(live_file, F_OK) == 0);
    close(fd);
    CHECK(helper_end(pid) == 0);
    CHECK(access(live_file, F_OK) == 0);
    close(live_fd);
    CHECK(helper_end(live) == 0);
    CHECK(unlink(other) == 0);
    expect_nothing_left();
}

int main(int argc, char *argv[])
{
    if (geteuid() != 0) {
        puts("skipped: swarm-ask takes answers of root only, and this is not root");
        return 77;
    }
    if (unshare(CLONE_NEWNET) < 0) { /* abstract names are the network namespace's */
        puts("skipped: no network namespace can be made here");
        return 77;
    }
    CHECK(argc == 2);
    program = argv[1];
    CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0);
    query_file_is_as_specified();
    answers_are_forwarded();
    swarm_agent_is_told_apart();
    name_without_root_is_nothing();
    other_packets_are_ignored();
    only_root_may_answer();
    hang_up_and_signals_withdraw();
    bad_requests_are_refused();
    unusable_folder_is_told();
    failed_write_leaves_nothing();
    leftovers_are_collected();
    CHECK(rmdir(folder) == 0);
    return 0;
}
