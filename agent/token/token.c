/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-token: opens and enrolls LUKS2 tokens as systemd has them, for one request on standard input. Runs as root without capabilities,
 * because the devices are root's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "exchange/exchange.h"
#include "token/enroll.h"
#include "token/open_token.h"
#include "token/token_protocol.h"

#define REQUEST_TIMEOUT_MS 10000

static int enroll(const struct secret *body, struct secret *ret, struct error *e)
{
    struct enroll_request request;
    int r = enroll_request_parse(body->data, body->size, &request, e);

    return r < 0 ? r : token_enroll(&request, ret, e);
}

static int serve(char operation, const struct secret *body, struct secret *ret, struct error *e)
{
    switch (operation) {
    case TOKEN_OPEN:
        return token_open(body->data, body->size, ret, e);
    case TOKEN_ENROLL:
        return enroll(body, ret, e);
    default:
        return error_set(e, -EINVAL, "swarm-token knows no such operation");
    }
}

static int run(struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL, reply = SECRET_NULL;
    char operation;
    int r = exchange_request(STDIN_FILENO, REQUEST_TIMEOUT_MS, &operation, &body);

    if (r == -ECANCELED)
        return 0;
    if (r < 0)
        return error_set(e, r, "cannot receive a request: %s", strerror(-r));
    r = serve(operation, &body, &reply, e);
    if (r < 0)
        r = exchange_refuse(STDIN_FILENO, r, e->text);
    else
        r = exchange_reply(STDIN_FILENO, reply.data, reply.size);
    return r < 0 && r != -EPIPE ? error_set(e, r, "cannot send the reply: %s", strerror(-r)) : 0;
}

int main(int argc, char *argv[])
{
    struct error e = { "" };

    (void) argv;
    (void) umask(0077);
    (void) prctl(PR_SET_DUMPABLE, 0);
    if (argc != 1) {
        (void) fputs("swarm-token is started by swarm-token.socket; see swarm-token(8)\n", stderr);
        return 2;
    }
    if (secret_init() < 0) {
        (void) fputs("cannot initialise libsodium\n", stderr);
        return 1;
    }
    if (run(&e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return 0;
}
