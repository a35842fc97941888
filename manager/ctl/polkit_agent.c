/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/polkit_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/cleanup.h"

#ifndef PKTTYAGENT
#define PKTTYAGENT "/usr/bin/pkttyagent"
#endif

#define NOTIFY_FD 3
#define REGISTER_MS_MAX 10000

/* "PID,START": with its start time (field 22 of proc_pid_stat(5)) a process is not mistaken for a later one of the same number. */
static int own_subject(char ret[static 64])
{
    char text[1024];
    _cleanup_close_ int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    char *p;

    if (n <= 0)
        return -EIO;
    text[n] = '\0';
    /* the name, field 2, may have spaces and parentheses: count from the last one */
    p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        return -EBADMSG;
    (void) snprintf(ret, 64, "%ld,%llu", (long) getpid(), strtoull(p, NULL, 10));
    return 0;
}

static _Noreturn void become_agent(int notify, pid_t parent, const char *subject)
{
    char notify_text[16];
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    /* it talks to the terminal by itself; a redirected standard output is not for it */
    if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(1);
    if (notify == NOTIFY_FD ? fcntl(notify, F_SETFD, 0) < 0 : dup2(notify, NOTIFY_FD) < 0)
        _exit(1);
    if (close_range(NOTIFY_FD + 1, ~0U, 0) < 0)
        _exit(1);
    (void) signal(SIGPIPE, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(1);
    (void) snprintf(notify_text, sizeof(notify_text), "%d", NOTIFY_FD);
    execl(PKTTYAGENT, PKTTYAGENT, "--notify-fd", notify_text, "--fallback", "--process", subject, (char *) NULL);
    _exit(1);
}

static bool is_wanted(void)
{
    return geteuid() != 0 && isatty(STDIN_FILENO) && access(PKTTYAGENT, X_OK) == 0;
}

void polkit_agent_start(struct polkit_agent *a)
{
    _cleanup_close_ int theirs = -1, ours = -1;
    pid_t parent = getpid();
    char subject[64];
    int fds[2];

    if (a->tried)
        return;
    a->tried = true;
    if (!is_wanted() || own_subject(subject) < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return;
    ours = fds[0];
    theirs = fds[1];
    a->pid = fork();
    if (a->pid == 0)
        become_agent(theirs, parent, subject);
    closep(&theirs);
    if (a->pid < 0)
        a->pid = 0;
    else
        while (poll(&(struct pollfd) { .fd = ours, .events = POLLIN }, 1, REGISTER_MS_MAX) < 0 && errno == EINTR)
            ;
}

void polkit_agent_stop(struct polkit_agent *a)
{
    if (a->pid <= 0)
        return;
    (void) kill(a->pid, SIGTERM);
    (void) kill(a->pid, SIGCONT);
    while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    a->pid = 0;
}
