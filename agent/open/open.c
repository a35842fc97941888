/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-open [LOCK HELPERS]: finds a passphrase that opens the manager's lock, by every method that its keyslots are bound to, all at once.
 * Standard input is the connection. Runs as the manager's user, who owns the lock, without network. */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/secret.h"
#include "open/open_protocol.h"
#include "open/serve.h"

int main(int argc, char *argv[])
{
    const char *path = STATEDIR "/keyslots.luks", *helpers = "/run/swarm-helpers";
    struct error e = { "" };

    (void) umask(0077);
    (void) prctl(PR_SET_DUMPABLE, 0);
    if (argc != 1 && (argc != 3 || argv[1][0] != '/' || argv[2][0] != '/')) {
        (void) fputs("swarm-open is started by swarm-open.socket; see swarm-open(8)\n", stderr);
        return 2;
    }
    if (argc == 3) {
        path = argv[1];
        helpers = argv[2];
    }
    if (secret_init() < 0) {
        (void) fputs("cannot initialise libsodium\n", stderr);
        return 1;
    }
    if (serve(STDIN_FILENO, path, helpers, OPEN_DEADLINE_MS, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return 0;
}
