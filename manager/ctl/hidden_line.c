/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/hidden_line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "basic/cleanup.h"

/* Those that end or stop a process at a terminal: its settings are mended before they get their way. Not SIGTTIN and SIGTTOU: they stop a
 * process in the background before it touches the settings. */
static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };

static volatile sig_atomic_t caught;

static void remember(int number)
{
    caught = number;
}

struct terminal {
    struct termios settings;
    struct sigaction actions[ELEMENTSOF(signals)];
    sigset_t mask;
};

/* The signals are let in during ppoll() only, so that none comes between a look at it and the wait. */
static void catch_signals(struct terminal *t)
{
    struct sigaction action = { .sa_handler = remember };
    sigset_t block;

    (void) sigemptyset(&block);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        (void) sigaddset(&block, signals[i]);
    (void) sigprocmask(SIG_BLOCK, &block, &t->mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
        (void) sigaction(signals[i], NULL, &t->actions[i]);
        if (t->actions[i].sa_handler != SIG_IGN)
            (void) sigaction(signals[i], &action, NULL);
    }
}

static void release_signals(struct terminal *t)
{
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        (void) sigaction(signals[i], &t->actions[i], NULL);
    (void) sigprocmask(SIG_SETMASK, &t->mask, NULL);
}

/* To the terminal, whatever standard output is; it may have been opened for reading only. */
static void tell(const char *text)
{
    size_t n = strlen(text);

    if (write(STDIN_FILENO, text, n) < 0 && write(STDERR_FILENO, text, n) < 0)
        return;
}

/* One read() of a terminal in canonical mode gives at most a line. */
static int take_line(const sigset_t *mask, struct secret *buffer, size_t *ret_n)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

    for (size_t n = 0;;) {
        ssize_t k;

        if (caught != 0)
            return -EINTR;
        if (ppoll(&p, 1, NULL, mask) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        k = read(STDIN_FILENO, buffer->data + n, buffer->size - n);
        if (k < 0)
            return -errno;
        n += (size_t) k;
        if (k == 0 || buffer->data[n - 1] == '\n') {
            *ret_n = k == 0 ? n : n - 1;
            return 0;
        }
        if (n == buffer->size)
            return -EMSGSIZE;
    }
}

static int ask_once(const char *prompt, struct secret *buffer, size_t *ret_n, int *ret_signal)
{
    struct terminal t;
    struct termios quiet;
    int r;

    if (tcgetattr(STDIN_FILENO, &t.settings) < 0)
        return -errno;
    caught = 0;
    catch_signals(&t);
    quiet = t.settings;
    quiet.c_lflag &= ~(tcflag_t) (ECHO | ECHONL);
    quiet.c_lflag |= ICANON | ISIG;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet) < 0)
        r = -errno;
    else {
        tell(prompt);
        r = take_line(&t.mask, buffer, ret_n);
        if (r == -EMSGSIZE || r == -EINTR)
            (void) tcflush(STDIN_FILENO, TCIFLUSH); /* the rest of the line must not become a shell's command */
        (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &t.settings);
        tell("\n");
    }
    *ret_signal = caught;
    release_signals(&t);
    return r;
}

int hidden_line_read(const char *prompt, struct secret *buffer, size_t *ret_n)
{
    for (;;) {
        int number = 0, r = ask_once(prompt, buffer, ret_n, &number);

        if (number == 0)
            return r;
        (void) raise(number);
        /* here again after a stop: ask anew */
        if (number != SIGTSTP)
            return -EINTR;
    }
}
