/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/enroll.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "ctl/json.h"
#include "ctl/keyslot.h"
#include "ctl/status.h"

#ifndef CRYPTENROLL
#define CRYPTENROLL "/usr/bin/systemd-cryptenroll"
#endif

#ifndef KEYSLOTS
#define KEYSLOTS "/var/lib/swarm-manager/keyslots.luks"
#endif

#define KEYSLOTS_KEPT 7 /* of 8: the last one is for the next unlock key */

static int check_possible(struct error *e)
{
    if (geteuid() != 0)
        return error_set(e, STATUS_NOT_PERMITTED, "not permitted: systemd-cryptenroll changes the manager's lock itself; run this as root");
    if (access(CRYPTENROLL, X_OK) < 0)
        return error_set(e, STATUS_FAILED, CRYPTENROLL " is missing: install it (the package systemd-cryptsetup of Debian has it)");
    if (!isatty(STDIN_FILENO))
        return error_set(e, STATUS_USAGE, "this asks for PINs and touches: run it at a terminal");
    return STATUS_OK;
}

static int check_room(const json_t *slots, struct error *e)
{
    if (json_array_size(slots) == 0)
        return error_set(e, STATUS_FAILED, "autolock is off or its key was never shown (see 'swarmctl info'), so there is no lock: turn it on with "
                                           "'swarmctl update --autolock=true'");
    if (json_array_size(slots) >= KEYSLOTS_KEPT)
        return error_set(e, STATUS_FAILED, "the last free keyslot is kept for the next unlock key: remove one that is not needed with 'swarmctl keyslot "
                                           "rm'");
    return STATUS_OK;
}

static _Noreturn void become_cryptenroll(int key, const char *option)
{
    char unlock[64];
    int fd = fcntl(key, F_DUPFD, STDERR_FILENO + 1); /* without FD_CLOEXEC */

    (void) snprintf(unlock, sizeof(unlock), "--unlock-key-file=/proc/self/fd/%d", fd);
    (void) signal(SIGINT, SIG_DFL);
    (void) signal(SIGQUIT, SIG_DFL);
    (void) signal(SIGPIPE, SIG_DFL);
    if (fd >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
        execl(CRYPTENROLL, CRYPTENROLL, option, unlock, KEYSLOTS, (char *) NULL);
    _exit(127);
}

/* Its words are for the person; standard output is for what swarmctl answers. What is typed to interrupt it is for it alone: afterwards the
 * lock is looked at. */
static int run(int key, const char *option, struct error *e)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN }, interrupt, quit;
    int status = 0;
    pid_t pid;

    (void) sigaction(SIGINT, &ignore, &interrupt);
    (void) sigaction(SIGQUIT, &ignore, &quit);
    pid = fork();
    if (pid == 0)
        become_cryptenroll(key, option);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void) sigaction(SIGINT, &interrupt, NULL);
    (void) sigaction(SIGQUIT, &quit, NULL);
    if (pid < 0)
        return error_set(e, STATUS_FAILED, "cannot start systemd-cryptenroll: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return STATUS_OK;
    return error_set(e, STATUS_FAILED, "systemd-cryptenroll failed, and has said why: nothing was added");
}

static const json_t *find(const json_t *slots, const json_t *slot)
{
    const json_t *other;
    size_t i;

    json_array_foreach(slots, i, other)
        if (json_number(other, "Slot") == json_number(slot, "Slot"))
            return other;
    return NULL;
}

static int find_added(const json_t *before, const json_t *after, json_t **ret, struct error *e)
{
    const json_t *slot;
    size_t i;

    json_array_foreach(after, i, slot)
        if (!find(before, slot)) {
            *ret = json_pack("{s:I,s:s}", "Keyslot", (json_int_t) json_number(slot, "Slot"), "Kind", json_text(slot, "Kind"));
            return *ret ? STATUS_OK : call_reply_error(-ENOMEM, e);
        }
    return error_set(e, STATUS_FAILED, "systemd-cryptenroll is done, but has added no keyslot: see 'swarmctl keyslot ls'");
}

int enroll_run(const char *option, struct caller *c, json_t **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *before = NULL, *after = NULL;
    uint32_t generation;
    int key, r = check_possible(e);

    if (r == STATUS_OK)
        r = keyslot_read_all(c, &before, e);
    if (r == STATUS_OK)
        r = check_room(before, e);
    if (r == STATUS_OK)
        r = call_method(c, "GetUnlockKey", &reply, e, "");
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "uh", &generation, &key); /* the message's */
    if (r < 0)
        return call_reply_error(r, e);
    r = run(key, option, e);
    if (r == STATUS_OK)
        r = keyslot_read_all(c, &after, e);
    return r == STATUS_OK ? find_added(before, after, ret, e) : r;
}
