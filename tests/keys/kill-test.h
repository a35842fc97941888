/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keys-test.h"

/* A child that works on the lock: killed as it enters its n-th write, or held as it is about to take the file's lock while another
 * program changes the header. */

#define CALLS_MAX 500

enum calls { CALLS_WRITE, CALLS_LOCK };

/* Lets the tracer see this process enter those system calls, and no others. */
static inline bool show_calls(enum calls which)
{
    static const int writes[] = { SYS_write, SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_rename, SYS_unlink, SYS_fallocate };
    static const int locks[] = { SYS_flock };
    const int *calls = which == CALLS_WRITE ? writes : locks;
    unsigned n = which == CALLS_WRITE ? ELEMENTSOF(writes) : ELEMENTSOF(locks);
    struct sock_filter code[ELEMENTSOF(writes) + 3] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
    struct sock_fprog program = { (unsigned short) (n + 3), code };

    for (unsigned i = 0; i < n; i++)
        code[1 + i] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) calls[i], (unsigned char) (n - i), 0);
    code[n + 1] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n + 2] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static inline pid_t start_child(void (*work)(void), bool traced, enum calls which)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    if (traced && !show_calls(which))
        _exit(77);
    work();
    _exit(0);
}

/* Whether the child was killed, not ready or failed. */
static inline bool was_killed(int status)
{
    if (WIFSIGNALED(status)) {
        CHECK(WTERMSIG(status) == SIGKILL);
        return true;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        (void) fprintf(stderr, "the child ended with wait status %#x\n", status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

/* Runs the child up to its n-th system call of that kind, and does act there; then lets it run on, unless that killed it. Whether it came
 * so far; -1: tracing is not allowed here. */
static inline int stop_at(void (*work)(void), enum calls which, unsigned n, void (*act)(pid_t pid))
{
    pid_t pid = start_child(work, true, which);
    bool acted = false;
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFSTOPPED(status))
        CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *) (PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL)) == 0);
    for (;;) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            return -1;
        if (!WIFSTOPPED(status)) {
            (void) was_killed(status);
            return acted;
        }
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && n-- == 0) {
            act(pid);
            acted = true;
        }
        (void) ptrace(PTRACE_CONT, pid, NULL, NULL); /* fails when act has killed it */
        CHECK(waitpid(pid, &status, 0) == pid);
    }
}

static inline void act_kill(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0);
}

/* Whether the child was killed before it was ready. */
static inline int kill_after(void (*work)(void), uint32_t us)
{
    pid_t pid = start_child(work, false, CALLS_WRITE);
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };
    int status;

    (void) nanosleep(&t, NULL);
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return was_killed(status);
}

/* Stops the child at each system call of that kind in turn, until it comes to its end before. How many there were. */
static inline unsigned at_every(enum calls which, void (*act)(pid_t pid), void (*work)(void), void (*check)(void), void (*before)(void),
                                unsigned stride)
{
    unsigned n;

    for (n = 0; n < CALLS_MAX; n += stride) {
        int r;

        if (before)
            before();
        r = stop_at(work, which, n, act);
        if (r < 0) {
            (void) fprintf(stderr, "not tried: each system call in turn, as ptrace is not allowed here\n");
            return 0;
        }
        check();
        if (r == 0)
            break;
    }
    CHECK(n < CALLS_MAX);
    return n;
}

static inline unsigned every_write(void (*work)(void), void (*check)(void), void (*before)(void), unsigned stride)
{
    return at_every(CALLS_WRITE, act_kill, work, check, before, stride);
}

/* How many keyslots LUKS2 has, listed or not. */
static inline int count_used(void)
{
    struct crypt_device *cd = load_lock();
    int n = 0;

    for (int slot = 0; slot < 32; slot++)
        n += crypt_keyslot_status(cd, slot) != CRYPT_SLOT_INACTIVE;
    crypt_free(cd);
    return n;
}

/* Collects: what is left are slots that are listed, own tokens as a pair with each, and nothing for a second collection. */
static inline void check_collected(void)
{
    struct keyslot s[KEYSLOTS_MAX];
    uint64_t one, two;
    int n, own = 0;

    CHECK_TOLD(keyslots_collect(LOCK, &e));
    CHECK(access("." LOCK ".new", F_OK) < 0);
    CHECK_TOLD(keyslots_sequence(LOCK, &one, &e));
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    CHECK_TOLD(keyslots_sequence(LOCK, &two, &e));
    CHECK(one == two);
    n = keyslots_list(LOCK, s, &e);
    CHECK_TOLD(n);
    CHECK(n == count_used());
    for (int i = 0; i < n; i++)
        own += s[i].state != KEYSLOT_FOREIGN;
    CHECK(own == count_tokens(KEYSLOT_TOKEN_TYPE));
}
