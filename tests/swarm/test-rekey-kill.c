/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kills a manager while it makes new keys: whatever was on its disk by then opens with the unlock key, and the next start makes an end of it. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/file.h"
#include "machine.h"
#include "played.h"

#if defined(__SANITIZE_ADDRESS__)
#define STRIDE 23
#define ROUNDS 5
#else
#define STRIDE 6
#define ROUNDS 25
#endif
#define POINTS_MAX 2000
#define WORK_MS 1200 /* what it may take, and a little */

static struct secret unlock_key;
static uint32_t asked;

static const Pb__Node *self(void)
{
    return store_node(swarm_store(m.swarm), swarm_node_id(m.swarm));
}

static void await(uint32_t count)
{
    time_t until = time(NULL) + 60;

    while (self()->rekeyed < count) {
        CHECK(time(NULL) < until);
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    }
}

static void open_manager(void)
{
    start();
    CHECK(swarm_state(m.swarm) == SWARM_LOCKED);
    CHECK_OK(unlock(unlock_key.data, unlock_key.size));
    settle();
}

/* From here on the tracer sees each of these calls, of all threads. */
static bool show_calls(void)
{
    static const int calls[] = { SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_rename, SYS_unlink, SYS_unlinkat, SYS_fallocate };
    const unsigned n = ELEMENTSOF(calls);
    struct sock_filter code[ELEMENTSOF(calls) + 3] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
    struct sock_fprog program = { (unsigned short) (n + 3), code };

    for (unsigned i = 0; i < n; i++)
        code[1 + i] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) calls[i], (unsigned char) (n - i), 0);
    code[n + 1] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n + 2] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

static void work(bool traced)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_REKEY);

    if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0))
        _exit(77);
    open_manager();
    if (traced && !show_calls())
        _exit(77);
    CHECK_OK(complete(r));
    await(r->ret_rekey);
    _exit(0);
}

static pid_t begin(bool traced)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0)
        work(traced);
    return pid;
}

/* Lets the child run up to its n-th call, and kills it there: 1; 0 when it came to its end before, -1: tracing is not allowed here. */
static int kill_at(unsigned n)
{
    pid_t pid = begin(true), stopped;
    bool killed = false;
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFSTOPPED(status))
        CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *) (PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) == 0);
    for (stopped = pid;; stopped = waitpid(-1, &status, __WALL)) {
        int signal_ = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

        CHECK(stopped > 0);
        if (stopped == pid && WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
            return WEXITSTATUS(status) == 77 ? -1 : 0;
        }
        if (stopped == pid && WIFSIGNALED(status)) {
            CHECK(killed && WTERMSIG(status) == SIGKILL);
            return 1;
        }
        if (!WIFSTOPPED(status))
            continue;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && !killed && n-- == 0) {
            CHECK(kill(pid, SIGKILL) == 0);
            killed = true;
        }
        (void) ptrace(PTRACE_CONT, stopped, NULL, (void *) (long) (signal_ == SIGTRAP || signal_ == SIGSTOP ? 0 : signal_));
    }
}

static unsigned count_kind(const char *kind)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_LIST_KEYSLOTS);
    unsigned n = 0;

    CHECK_OK(complete(r));
    for (unsigned i = 0; i < r->ret_n_keyslots; i++)
        n += !kind || strcmp(r->ret_keyslots[i].kind, kind) == 0;
    return n;
}

static unsigned count_files(const char *name)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    CHECK_OK(path_join(path, state, name));
    d = opendir(path);
    CHECK(d);
    while ((entry = readdir(d)))
        n += entry->d_name[0] != '.';
    (void) closedir(d);
    return n;
}

static void check_manager(void)
{
    const struct store *store;

    open_manager();
    store = swarm_store(m.swarm);
    await(store_cluster(store)->rekey);
    asked = store_cluster(store)->rekey;
    CHECK(count_kind("unlock-key") == 1 && count_kind("tang") == 1 && count_kind(NULL) == 2);
    CHECK(!exists("keyslots.luks.next") && count_files("tls") == 2 && count_files("creds") == 1 && has("a"));
    CHECK(self()->rekey_lost[0] == '\0');
    CHECK(m.events[SWARM_EVENT_DAMAGED] == 0 && m.events[SWARM_EVENT_ROLLED_BACK] == 0 && m.events[SWARM_EVENT_TROUBLE] == 0);
    stop();
}

static void test_each_call(void)
{
    unsigned n;

    for (n = 0; n < POINTS_MAX; n += STRIDE) {
        int r = kill_at(n);

        if (r < 0) {
            (void) fprintf(stderr, "not tried: each system call in turn, as ptrace is not allowed here\n");
            return;
        }
        check_manager();
        if (r == 0)
            break;
    }
    CHECK(n < POINTS_MAX);
    (void) printf("killed at every %d-th of %u calls, %u rekeys\n", STRIDE, n, asked);
}

static void test_random(void)
{
    unsigned killed = 0;

    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = begin(false);
        long us = random() % (WORK_MS * 1000);
        int status;

        (void) nanosleep(&(struct timespec) { us / 1000000, us % 1000000 * 1000 }, NULL);
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        killed += WIFSIGNALED(status);
        check_manager();
    }
    (void) printf("killed at random: %u of %d\n", killed, ROUNDS);
}

int main(void)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_ADD_KEYSLOT);
    uint32_t generation;

    machine_begin();
    played_begin();
    start();
    CHECK_OK(init(true, &unlock_key, &generation));
    CHECK_OK(confirm(generation));
    CHECK_OK(create("a"));
    r->options = calloc(1, sizeof(*r->options));
    CHECK(r->options);
    (void) strcpy(r->options->kind, "tang");
    (void) strcpy(r->options->urls[0], "http://t1");
    r->options->n_urls = r->options->threshold = 1;
    r->options->trust_first = true;
    CHECK_OK(complete(r));
    stop();
    test_each_call();
    test_random();
    played_end();
    secret_done(&unlock_key);
    machine_end();
    return 0;
}
