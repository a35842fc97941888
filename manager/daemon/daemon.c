/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/bus_manager.h"
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
    struct notify notify;
    struct prompter prompter;
    char hostname[256];
    bool closing;
};

static void on_state(void *data)
{
    struct daemon *d = data;
    enum swarm_state state = swarm_state(d->swarm);
    char status[ERROR_TEXT_MAX + 32];

    if (d->closing)
        return;
    switch (state) {
    case SWARM_LOCKED:
        notify_status(&d->notify, false, "Locked: waiting for the unlock key (swarmctl unlock)");
        break;
    case SWARM_PENDING:
        notify_status(&d->notify, false, "Opening the store");
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

/* The bus may be restarted; a manager that ended with it would come back locked. */
static void connect_bus(uv_timer_t *timer);

static void on_bus_lost(void *data)
{
    struct daemon *d = data;

    journal_error("The connection to the system bus was lost; connecting again.");
    (void) uv_timer_start(&d->reconnect, connect_bus, RECONNECT_MS, RECONNECT_MS);
}

static void connect_bus(uv_timer_t *timer)
{
    struct daemon *d = timer->data;

    if (d->bus)
        bus_manager_free(TAKE_PTR(d->bus));
    if (bus_manager_new(&d->loop, d->swarm, on_bus_lost, d, &d->bus, NULL) == 0)
        (void) uv_timer_stop(timer);
}

static void on_swarm_closed(void *data)
{
    struct daemon *d = data;

    d->swarm = NULL;
    if (d->bus)
        bus_manager_free(TAKE_PTR(d->bus));
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
        .hostname = d.hostname,
        .snapshot_threshold = config->snapshot_threshold,
        .on_state = on_state,
        .on_event = on_event,
        .data = &d,
    };
    struct error e = { "" };
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
    r = bus_manager_new(&d.loop, d.swarm, on_bus_lost, &d, &d.bus, &e);
    if (r < 0) {
        journal_error("%s", e.text);
        on_signal(&d.term, 0);
    }
    (void) uv_run(&d.loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&d.loop);
    return r;
}
