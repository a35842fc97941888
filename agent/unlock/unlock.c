/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-unlock: serves one request on the connection that is its standard input: the Clevis and Tang exchanges of unlock_protocol.h. It has
 * the network and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "exchange/exchange.h"
#include "unlock/operations.h"
#include "unlock/unlock_protocol.h"
#include "unlock/watch.h"

#define REQUEST_TIMEOUT_MS 10000
/* For whatever the exchange's own deadlines do not reach. A watch has no end of its own. */
#define ALARM_S 30

static int answer(int peer, char operation, const struct secret *body, struct error *e)
{
    _cleanup_(secret_done) struct secret reply = SECRET_NULL;
    int r = operation_run(operation, body, peer, &reply, e);

    if (r == -ECANCELED)
        return 0;
    if (r < 0)
        r = exchange_refuse(peer, r, e->text);
    else
        r = exchange_reply(peer, reply.data, reply.size);
    return r == -EPIPE || r == -ECONNRESET ? 0 : r < 0 ? error_set(e, r, "cannot reply: %s", strerror(-r)) : 0;
}

static int serve(int peer, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char operation;
    int r = exchange_request(peer, REQUEST_TIMEOUT_MS, &operation, &body);

    if (r == -ECANCELED)
        return 0;
    if (r < 0)
        return error_set(e, r, "received no request: %s", strerror(-r));
    if (operation != UNLOCK_WATCH)
        return answer(peer, operation, &body, e);
    (void) alarm(0);
    if (fcntl(peer, F_SETFL, O_NONBLOCK) < 0)
        return error_set(e, -errno, "cannot use the connection: %s", strerror(errno));
    return watch(peer, e);
}

static int is_connection(int fd)
{
    int listening = 0, type = 0;
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && !listening;
}

int main(int argc, char *argv[] _unused_)
{
    struct error e = { "" };

    (void) prctl(PR_SET_DUMPABLE, 0);
    (void) alarm(ALARM_S);
    if (argc > 1 || !is_connection(STDIN_FILENO)) {
        (void) fputs("swarm-unlock is started by swarm-unlock.socket; see swarm-unlock(8)\n", stderr);
        return 2;
    }
    if (secret_init() < 0) {
        (void) fputs("cannot initialise libsodium\n", stderr);
        return 1;
    }
    if (serve(STDIN_FILENO, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    /* not exit(): a thread may still wait for a name server */
    _exit(0);
}
