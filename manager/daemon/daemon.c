/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/bus_manager.h"
#include "bus/bus_private.h"
#include "credentials/credentials.h"
#include "daemon/events.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/prompter.h"

#define RECONNECT_MS 1000

struct daemon {
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    uv_timer_t reconnect;
    struct swarm *swarm;
    struct bus_manager *bus;
    struct bus_private *private;
    struct credentials *credentials;
    bool bus_trouble; /* which has been told */
    struct notify notify;
    struct prompter prompter;
    char hostname[256];
    bool closing;
};

static void on_served(void *data)
{
    struct daemon *d = data;

    if (d->credentials)
        credentials_review(d->credentials);
}

static void on_refused(void *data _unused_, const struct credentials_refusal *refusal)
{
    char message[ERROR_TEXT_MAX + 512];

    if (!refusal->unit) {
        journal_event(MESSAGE_CREDENTIAL_STRANGER, LOG_WARNING, refusal->why, "SWARM_REASON", refusal->why, NULL);
        return;
    }
    (void) snprintf(message, sizeof(message), "%s does not get the credential %s: %s", refusal->unit, refusal->credential, refusal->why);
    journal_event(MESSAGE_CREDENTIAL_REFUSED, LOG_WARNING, message, "SWARM_UNIT", refusal->unit, "SWARM_CREDENTIAL", refusal->credential,
                  "SWARM_REASON", refusal->why, NULL);
}

static void on_state(void *data)
{
    struct daemon *d = data;
    enum swarm_state state = swarm_state(d->swarm);
    char status[ERROR_TEXT_MAX + 32];

    if (d->closing)
        return;
    on_served(d);
    switch (state) {
    case SWARM_LOCKED:
        notify_status(&d->notify, false, "Locked: waiting for the unlock key (swarmctl unlock)");
        break;
    case SWARM_PENDING:
        /* what waits for others is ready as far as this machine is concerned */
        (void) snprintf(status, sizeof(status), "Pending: %s", swarm_why(d->swarm)[0] ? swarm_why(d->swarm) : "opening the store");
        notify_status(&d->notify, swarm_why(d->swarm)[0] != '\0', status);
        break;
    case SWARM_ERROR:
        (void) snprintf(status, sizeof(status), "Error: %s", swarm_why(d->swarm));
        notify_status(&d->notify, true, status);
        break;
    case SWARM_INACTIVE:
        notify_status(&d->notify, true, "Inactive: not part of a swarm");
        break;
    default:
        notify_status(&d->notify, true, "Active");
    }
    prompter_want(&d->prompter, state == SWARM_LOCKED);
}

static void on_event(void *data _unused_, const struct swarm_event_info *info)
{
    event_log(info);
}

static void connect_bus(uv_timer_t *timer);

/* Told once, not at every attempt until it works again. */
static void on_bus_lost(void *data, const struct error *e)
{
    struct daemon *d = data;

    if (d->bus && bus_manager_had_name(d->bus))
        d->bus_trouble = false;
    if (!d->bus_trouble)
        journal_error("%s; trying again.%s", e->text, d->private ? " Root reaches the manager all the same." : "");
    d->bus_trouble = true;
    (void) uv_timer_start(&d->reconnect, connect_bus, RECONNECT_MS, 0);
}

/* The bus may be restarted, or come later; a manager that ended with it would come back locked. */
static void connect_bus(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    struct error e;

    if (d->bus)
        bus_manager_free(TAKE_PTR(d->bus));
    if (bus_manager_new(&d->loop, d->swarm, on_bus_lost, d, &d->bus, &e) < 0)
        on_bus_lost(d, &e);
}

static int open_private(struct daemon *d, const char *path)
{
    struct error e;
    int r = bus_private_new(&d->loop, d->swarm, path, &d->private, &e);

    if (r < 0)
        journal_error("%s", e.text);
    return r;
}

/* Without it the manager is of use all the same. */
static void open_credentials(struct daemon *d, struct sockets *sockets)
{
    const struct credentials_config config = {
        .loop = &d->loop, .swarm = d->swarm, .cgroups = "/sys/fs/cgroup", .keep = sockets_keep, .refused = on_refused, .data = d,
    };
    int r = sockets->credentials < 0 ? 0 : credentials_new(&config, sockets->credentials, &d->credentials);

    for (unsigned i = 0; d->credentials && i < sockets->n_kept; i++)
        credentials_adopt(d->credentials, sockets->kept[i].fd, sockets->kept[i].name);
    free(sockets->kept);
    if (sockets->credentials < 0)
        journal_info("Not started with swarm-credentials.socket: units get no credentials from this node.");
    else if (r < 0)
        journal_error("Units get no credentials: %s", strerror(-r));
}

static void on_swarm_closed(void *data)
{
    struct daemon *d = data;

    d->swarm = NULL;
    if (d->bus)
        bus_manager_free(TAKE_PTR(d->bus));
    if (d->private)
        bus_private_free(TAKE_PTR(d->private));
    uv_close((uv_handle_t *) &d->reconnect, NULL);
    uv_close((uv_handle_t *) &d->term, NULL);
    uv_close((uv_handle_t *) &d->interrupt, NULL);
}

static void on_signal(uv_signal_t *handle, int number _unused_)
{
    struct daemon *d = handle->data;

    if (d->closing)
        return;
    d->closing = true;
    prompter_close(&d->prompter);
    notify_close(&d->notify);
    if (d->credentials)
        credentials_close(TAKE_PTR(d->credentials));
    swarm_close(d->swarm, on_swarm_closed, d);
}

static void start_handles(struct daemon *d, const struct daemon_config *config)
{
    (void) uv_timer_init(&d->loop, &d->reconnect);
    (void) uv_signal_init(&d->loop, &d->term);
    (void) uv_signal_init(&d->loop, &d->interrupt);
    d->reconnect.data = d->term.data = d->interrupt.data = d;
    (void) uv_signal_start(&d->term, on_signal, SIGTERM);
    (void) uv_signal_start(&d->interrupt, on_signal, SIGINT);
    notify_init(&d->notify, &d->loop);
    prompter_init(&d->prompter, &d->loop, d->swarm, config->ask_socket, d->hostname);
}

int daemon_run(const struct daemon_config *config)
{
    struct daemon d = { .swarm = NULL };
    struct swarm_config swarm_config = {
        .loop = &d.loop,
        .folder = config->folder,
        .seal_socket = config->seal_socket,
        .helpers = config->helpers,
        .hostname = d.hostname,
        .runtime = config->runtime,
        .snapshot_threshold = config->snapshot_threshold,
        .on_state = on_state,
        .on_served = on_served,
        .on_event = on_event,
        .data = &d,
    };
    int r;

    if (gethostname(d.hostname, sizeof(d.hostname) - 1) < 0)
        return -errno;
    r = uv_loop_init(&d.loop);
    if (r == 0)
        r = swarm_new(&swarm_config, &d.swarm);
    if (r < 0) {
        journal_error("The manager cannot start with %s: %s", config->folder, strerror(-r));
        return r;
    }
    start_handles(&d, config);
    open_credentials(&d, config->sockets);
    r = open_private(&d, config->private_socket);
    connect_bus(&d.reconnect);
    if (r < 0 && !d.bus)
        on_signal(&d.term, 0); /* nobody could reach it */
    else
        r = 0;
    (void) uv_run(&d.loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&d.loop);
    return r;
}
