/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kills a process that changes a lock: first before each of its writes in turn, then at random moments. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keys-test.h"

#define ROUNDS SCALED(60)
#define WRITES_MAX 500

/* How far the child came, acknowledged like an answer to an operator. */
enum step { NOTHING, ADDING, ADDED, RETIRING, RETIRED };

static struct secret kek, kek2, a, b;
static uint32_t generation = 1;
static volatile enum step *step;

static void rotate(void)
{
    *step = ADDING;
    if (keyslots_add(LOCK, &kek, &b, generation + 1, NULL) < 0)
        _exit(1);
    *step = ADDED;
    if (keyslots_activate(LOCK, generation + 1, NULL) < 0)
        _exit(2);
    *step = RETIRING;
    if (keyslots_retire(LOCK, &b, generation + 1, NULL) < 0)
        _exit(3);
    *step = RETIRED;
}

static void replace(void)
{
    *step = ADDING;
    if (keyslots_create(LOCK, &kek2, &b, 1, KEYSLOT_ACTIVE, NULL) < 0)
        _exit(1);
    *step = ADDED;
}

/* Lets the tracer see this process enter the system calls that change a file, and no others. */
static bool show_writes(void)
{
    static const int calls[] = { SYS_write, SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_rename, SYS_unlink, SYS_fallocate };
    struct sock_filter code[ELEMENTSOF(calls) + 3] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
    struct sock_fprog program = { ELEMENTSOF(code), code };
    unsigned n = ELEMENTSOF(calls);

    for (unsigned i = 0; i < n; i++)
        code[1 + i] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) calls[i], n - i, 0);
    code[n + 1] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n + 2] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static pid_t start(void (*work)(void), bool traced)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    if (traced && !show_writes())
        _exit(77);
    work();
    _exit(0);
}

/* Whether the child was killed, not ready or failed. */
static bool was_killed(int status)
{
    if (WIFSIGNALED(status)) {
        CHECK(WTERMSIG(status) == SIGKILL);
        return true;
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

/* Kills the child as it enters its n-th system call that changes a file. -1: tracing is not allowed here. */
static int kill_at_write(void (*work)(void), unsigned n)
{
    pid_t pid = start(work, true);
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFSTOPPED(status))
        CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *) (PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL)) == 0);
    for (;;) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            return -1;
        if (!WIFSTOPPED(status))
            return was_killed(status);
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && n-- == 0)
            CHECK(kill(pid, SIGKILL) == 0);
        else
            CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
        CHECK(waitpid(pid, &status, 0) == pid);
    }
}

static int kill_after(void (*work)(void), uint32_t us)
{
    pid_t pid = start(work, false);
    struct timespec t = { .tv_nsec = us * 1000L };
    int status;

    (void) nanosleep(&t, NULL);
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return was_killed(status);
}

static void check_foreign(const struct secret *their_kek)
{
    _cleanup_(secret_done) struct secret operator = text_of(OPERATOR), tang = text_of("tang");

    CHECK_OK(try_key(&operator, their_kek));
    CHECK_OK(try_key(&tang, their_kek));
    CHECK(count_tokens("clevis") == 1 && count_slots(KEYSLOT_FOREIGN) == 2);
}

/* Tokens and slots are a pair each, and a second collection finds nothing to do. */
static void check_collected(void)
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
    for (int i = 0; i < n; i++)
        own += s[i].state != KEYSLOT_FOREIGN;
    CHECK(own == count_tokens(KEYSLOT_TOKEN_TYPE));
}

/* What must hold however far the rotation came; then it is done again, and b is the key. */
static void check_rotation(void)
{
    enum step reached = *step;

    for (int collected = 0; collected < 2; collected++) {
        if (reached < RETIRING)
            CHECK_OK(try_key(&a, &kek));
        if (reached >= ADDED)
            CHECK_OK(try_key(&b, &kek));
        if (!collected)
            check_collected();
    }
    if (reached == RETIRING) /* what is listed as an unlock key is one */
        CHECK(count_slots(KEYSLOT_ACTIVE) + count_slots(KEYSLOT_RETIRING) == 1 + (try_key(&a, &kek) == 0));
    CHECK_TOLD(keyslots_add(LOCK, &kek, &b, generation + 1, &e));
    CHECK_TOLD(keyslots_activate(LOCK, generation + 1, &e));
    CHECK_TOLD(keyslots_retire(LOCK, &b, generation + 1, &e));
    CHECK(try_key(&a, &kek) == -EKEYREJECTED);
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    check_foreign(&kek);
    generation++;
    secret_done(&a);
    a = secret_take(&b);
    b = new_key();
    *step = NOTHING;
}

/* The lock is the old one or the new one. */
static void check_replacement(void)
{
    _cleanup_(secret_done) struct secret found = SECRET_NULL;
    struct keyslot slot;
    bool is_new;

    is_new = keyslots_open(LOCK, &b, &found, &slot, &e) == 0;
    CHECK(is_new || *step < ADDED);
    if (is_new) {
        CHECK(memcmp(found.data, kek2.data, KEK_SIZE) == 0);
        CHECK(try_key(&a, &kek) == -EKEYREJECTED);
    } else {
        CHECK_OK(try_key(&a, &kek));
    }
    check_collected();
    CHECK_OK(is_new ? try_key(&b, &kek2) : try_key(&a, &kek));
    *step = NOTHING;
}

static void begin(void)
{
    generation = 1;
    CHECK_TOLD(keyslots_create(LOCK, &kek, &a, generation, KEYSLOT_ACTIVE, &e));
    (void) add_foreign(&kek, OPERATOR, NULL, NULL);
    (void) add_foreign(&kek, "tang", NULL, "{\"type\":\"clevis\",\"keyslots\":[]}");
}

static unsigned every_write(void (*work)(void), void (*check)(void), void (*before)(void), unsigned stride)
{
    unsigned n;

    for (n = 0; n < WRITES_MAX; n += stride) {
        int r;

        if (before)
            before();
        r = kill_at_write(work, n);
        if (r < 0) {
            (void) fprintf(stderr, "not tried: each write in turn, as ptrace is not allowed here\n");
            return 0;
        }
        check();
        if (r == 0)
            break;
    }
    CHECK(n < WRITES_MAX);
    return n;
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-kill.XXXXXX";
    unsigned writes, killed = 0;

    enter_folder(folder);
    kek = new_kek();
    kek2 = new_kek();
    a = new_key();
    b = new_key();
    step = mmap(NULL, sizeof(*step), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(step != MAP_FAILED);
    begin();
    writes = every_write(rotate, check_rotation, NULL, SANITIZED ? 5 : 1);
    (void) printf("rotation: %u writes\n", writes);
    for (int i = 0; i < ROUNDS; i++) {
        killed += (unsigned) kill_after(rotate, (uint32_t) (rand() % 16000));
        check_rotation();
    }
    (void) printf("rotation: %u of %d killed\n", killed, ROUNDS);
    CHECK(killed > 0);
    writes = every_write(replace, check_replacement, begin, SANITIZED ? 9 : 3);
    (void) printf("replacement: %u writes\n", writes);
    secret_done(&kek);
    secret_done(&kek2);
    secret_done(&a);
    secret_done(&b);
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
