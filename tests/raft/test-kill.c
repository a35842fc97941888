/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kills a proposing process at random moments: what it was told to be stored is there. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "toy.h"

#define ROUNDS 40

static uint64_t proposed;

/* The number goes to the pipe as soon as it is acknowledged. */
static void propose(struct world *w, int pipe_fd);

struct ack {
    struct world *w;
    uint64_t number;
    int fd;
};

static void on_ack(void *data, int result)
{
    struct ack *a = data;

    CHECK_OK(result);
    CHECK(write(a->fd, &a->number, sizeof(a->number)) == sizeof(a->number));
    propose(a->w, a->fd);
    free(a);
}

static void propose(struct world *w, int pipe_fd)
{
    unsigned char command[1024] = { 0 };
    struct ack *a = malloc(sizeof(*a));

    CHECK(a);
    *a = (struct ack) { w, ++proposed, pipe_fd };
    memcpy(command, &a->number, 8);
    CHECK_OK(replica_propose(w->replica, command, 8 + a->number * 40 % sizeof(command) / 8 * 8, on_ack, a));
}

static void open_or_tell(struct world *w)
{
    int r = world_open(w);

    if (r < 0) {
        (void) fprintf(stderr, "open: %d %s\n", r, w->error.text);
        exit(2);
    }
    if (replica_notice(w->replica))
        (void) fprintf(stderr, "%s\n", replica_notice(w->replica));
}

static int run_child(const char *base, int fd)
{
    struct world w;

    world_again(&w, base);
    w.config.snapshot_threshold = 100;
    w.config.segment_size = 256 * 1024;
    open_or_tell(&w);
    proposed = w.toy.n;
    for (unsigned i = 0; i < 16; i++)
        propose(&w, fd);
    (void) uv_run(&w.loop, UV_RUN_DEFAULT);
    return 1;
}

static int run_check(const char *base, uint64_t acknowledged)
{
    struct world w;

    world_again(&w, base);
    w.config.snapshot_threshold = 100;
    open_or_tell(&w);
    CHECK_OK(world_barrier(&w));
    CHECK(toy_is(&w.toy, 1, w.toy.n));
    if (w.toy.n < acknowledged)
        (void) fprintf(stderr, "%llu acknowledged, %zu there\n", (unsigned long long) acknowledged, w.toy.n);
    CHECK(w.toy.n >= acknowledged);
    world_done(&w, false);
    return 0;
}

static pid_t spawn(const char *mode, const char *base, const char *argument)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    (void) execl("/proc/self/exe", "test-kill", mode, base, argument, NULL);
    _exit(3);
}

/* Half of the moments count from the start, half from the first acknowledgement, which comes late on a busy machine. */
static void wait_for_moment(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    if (rand() % 2)
        CHECK(poll(&p, 1, 60000) == 1);
    (void) usleep((useconds_t) (rand() % 70000));
}

static void one_round(const char *base, uint64_t *acknowledged)
{
    char argument[32];
    uint64_t number;
    int fds[2], status;
    pid_t pid;

    CHECK(pipe(fds) == 0);
    (void) snprintf(argument, sizeof(argument), "%d", fds[1]);
    pid = spawn("propose", base, argument);
    (void) close(fds[1]);
    wait_for_moment(fds[0]);
    (void) kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    while (read(fds[0], &number, sizeof(number)) == sizeof(number))
        *acknowledged = number > *acknowledged ? number : *acknowledged;
    (void) close(fds[0]);
    if (rand() % 2)
        return; /* the next proposer finds it as it is */
    (void) snprintf(argument, sizeof(argument), "%llu", (unsigned long long) *acknowledged);
    pid = spawn("check", base, argument);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char *argv[])
{
    uint64_t acknowledged = 0;
    struct world w;
    char base[256];

    if (argc == 4 && strcmp(argv[1], "propose") == 0)
        return run_child(argv[2], atoi(argv[3]));
    if (argc == 4 && strcmp(argv[1], "check") == 0)
        return run_check(argv[2], strtoull(argv[3], NULL, 10));
    srand(argc == 2 ? (unsigned) atoi(argv[1]) : 1);
    world_init(&w);
    (void) snprintf(base, sizeof(base), "%s", w.base);
    world_done(&w, false);
    for (unsigned i = 0; i < ROUNDS; i++)
        one_round(base, &acknowledged);
    CHECK(run_check(base, acknowledged) == 0);
    (void) printf("%d kills, %llu acknowledged\n", ROUNDS, (unsigned long long) acknowledged);
    remove_folder(base);
    return acknowledged > 0 ? 0 : 1;
}
