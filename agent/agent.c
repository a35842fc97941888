/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-agent [FOLDER HELPERS]: answers the swarm manager's question for its unlock key with what swarm-open finds. Runs as root without
 * capabilities, because swarm-ask takes answers of root only. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "basic/secret.h"
#include "open/open_protocol.h"
#include "unattended.h"

#define OPEN_MARGIN_MS 3000

static int take_signals(void)
{
    sigset_t set;

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGINT);
    (void) sigaddset(&set, SIGHUP);
    (void) sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int run(const struct unattended_config *config, struct error *e)
{
    _cleanup_close_ int signals = take_signals();
    static struct unattended u;
    int r;

    if (signals < 0)
        return error_set(e, -errno, "cannot take signals: %s", strerror(errno));
    r = unattended_open(&u, config, e);
    while (r == 0)
        r = unattended_wait(&u, signals, e);
    unattended_done(&u);
    return r == -ECANCELED ? 0 : r;
}

int main(int argc, char *argv[])
{
    struct unattended_config config = {
        .folder = "/run/systemd/ask-password",
        .helpers = "/run/swarm-helpers",
        .open_ms = OPEN_DEADLINE_MS + OPEN_MARGIN_MS,
    };
    struct error e = { "" };

    (void) umask(0077);
    (void) prctl(PR_SET_DUMPABLE, 0);
    if (argc != 1 && (argc != 3 || argv[1][0] != '/' || argv[2][0] != '/')) {
        (void) fputs("swarm-agent is started by swarm-agent.service; see swarm-agent(8)\n", stderr);
        return 2;
    }
    if (argc == 3) {
        config.folder = argv[1];
        config.helpers = argv[2];
    }
    if (secret_init() < 0) {
        (void) fputs("cannot initialise libsodium\n", stderr);
        return 1;
    }
    if (run(&config, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return 0;
}
