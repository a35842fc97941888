/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-units: makes drop-ins, restarts and reloads units and tells which are active, for one request on standard input. Runs as root without
 * capabilities, because process 1 obeys root. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "exchange/exchange.h"
#include "units/state.h"
#include "units/units_reply.h"
#include "units/units_request.h"

#define REQUEST_TIMEOUT_MS 10000
#define UNITS_FOLDER "/etc/systemd/system"
#define RELOAD_MARK "/run/swarm-units/reload"

/* The mark is of an earlier process, too, that got no further. */
static int reload(struct error *e)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r;

    if (access(RELOAD_MARK, F_OK) < 0)
        return 0;
    r = systemd_connect(SYSTEMD_PRIVATE, &bus, e);
    if (r == 0)
        r = systemd_reload(bus, e);
    if (r == 0 && unlink(RELOAD_MARK) < 0 && errno != ENOENT)
        r = error_set(e, -errno, "cannot remove " RELOAD_MARK ": %s", strerror(errno));
    return r;
}

static int serve_drop_ins(const struct units_request *q, char **ret, struct error *e)
{
    static struct drop_ins_report report;
    int r = drop_ins_apply(UNITS_FOLDER, RELOAD_MARK, q->drop_ins, q->n, &report, e);
    int reloaded = reload(r < 0 ? NULL : e); /* also what an error left half done */

    if (r == 0)
        r = reloaded;
    if (r == 0)
        *ret = units_reply_drop_ins(&report);
    return r;
}

static int serve_update(const struct units_request *q, sd_bus *bus, char **ret, struct error *e)
{
    struct update_result result;
    int r = update_run(bus, q->pattern, q->how, DROP_IN_CREDENTIALS_SOCKET, STDIN_FILENO, UNITS_UPDATE_MS, &result, e);

    if (r == 0)
        *ret = units_reply_update(&result);
    return r;
}

static int serve_state(const struct units_request *q, sd_bus *bus, char **ret, struct error *e)
{
    int r = state_active(bus, q->units, q->n, e);

    if (r < 0)
        return r;
    *ret = units_reply_state(q->units, (size_t) r);
    return 0;
}

static int serve(char operation, const struct secret *body, char **ret, struct error *e)
{
    _cleanup_(units_request_done) struct units_request q = UNITS_REQUEST_NULL;
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r = units_request_parse(operation, body->data, body->size, &q, e);

    if (r < 0)
        return r;
    if (operation == UNITS_DROP_INS)
        return serve_drop_ins(&q, ret, e);
    r = systemd_connect(SYSTEMD_PRIVATE, &bus, e);
    if (r < 0)
        return r;
    return operation == UNITS_UPDATE ? serve_update(&q, bus, ret, e) : serve_state(&q, bus, ret, e);
}

static int run(struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    _cleanup_free_ char *reply = NULL;
    char operation;
    int r = exchange_request(STDIN_FILENO, REQUEST_TIMEOUT_MS, &operation, &body);

    if (r == -ECANCELED)
        return 0;
    if (r < 0)
        return error_set(e, r, "cannot receive a request: %s", strerror(-r));
    r = serve(operation, &body, &reply, e);
    if (r == -ECANCELED)
        return 0;
    if (r < 0)
        r = exchange_refuse(STDIN_FILENO, r, e->text);
    else if (!reply)
        r = exchange_refuse(STDIN_FILENO, -ENOMEM, "no memory for the reply");
    else
        r = exchange_reply(STDIN_FILENO, reply, strlen(reply));
    return r < 0 && r != -EPIPE ? error_set(e, r, "cannot send the reply: %s", strerror(-r)) : 0;
}

int main(int argc, char *argv[])
{
    struct error e = { "" };

    (void) argv;
    (void) umask(0022);
    (void) prctl(PR_SET_DUMPABLE, 0);
    if (argc != 1) {
        (void) fputs("swarm-units is started by swarm-units.socket; see swarm-units(8)\n", stderr);
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
