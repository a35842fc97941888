/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "basic/secret.h"
#include "daemon/daemon.h"
#include "daemon/journal.h"

/* Nothing of this process reaches swap or a core dump. Pages are locked as they are touched, so that reserved stacks cost nothing. */
static void guard_memory(void)
{
    const struct rlimit none = { 0, 0 };

    (void) setrlimit(RLIMIT_CORE, &none);
    (void) prctl(PR_SET_DUMPABLE, 0);
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
        journal_info("Not all memory can be locked (%s), only keys are; MemorySwapMax=0 in the unit keeps the rest from swap.", strerror(errno));
}

/* For tests: how often the log is cut by a snapshot. */
static unsigned snapshot_threshold(void)
{
    const char *text = getenv("SWARM_SNAPSHOT_THRESHOLD");
    unsigned long n = text ? strtoul(text, NULL, 10) : 0;

    return n >= 16 && n <= 1000000 ? (unsigned) n : 0;
}

int main(void)
{
    struct sockets sockets;
    const struct daemon_config config = {
        .snapshot_threshold = snapshot_threshold(),
        .folder = STATEDIR,
        .helpers = "/run/swarm-helpers",
        .seal_socket = "/run/swarm-helpers/seal.sock",
        .ask_socket = "/run/swarm-helpers/ask.sock",
        .private_socket = "/run/swarm-manager/private",
        .runtime = "/run/swarm-manager",
        .sockets = &sockets,
    };

    sockets_take(&sockets);
    guard_memory();
    (void) signal(SIGPIPE, SIG_IGN);
    if (secret_init() < 0)
        return EXIT_FAILURE;
    return daemon_run(&config) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
