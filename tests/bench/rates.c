/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rates.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "basic/memfd.h"
#include "ctl/connect.h"

#define SERVICE "org.swarm.Manager1"
#define OBJECT "/org/swarm/Manager1"
#define SYNCS 3000
#define PAYLOAD_MAX 4096

_Noreturn void fail(const char *what, int code)
{
    (void) fprintf(stderr, "bench: %s: %s\n", what, strerror(-code));
    exit(1);
}

double now(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

double sync_rate(void)
{
    static char block[4096];
    _cleanup_close_ int fd = open("/var/lib/bench-sync", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    double start;

    if (fd < 0)
        fail("/var/lib/bench-sync", -errno);
    for (int i = 0; i < SYNCS; i++)
        if (pwrite(fd, block, sizeof(block), i * 4096L) < 0)
            fail("write", -errno);
    (void) fsync(fd);
    start = now();
    for (int i = 0; i < SYNCS; i++)
        if (pwrite(fd, block, sizeof(block), i * 4096L) < 0 || fdatasync(fd) < 0)
            fail("fdatasync", -errno);
    start = SYNCS / (now() - start);
    (void) unlink("/var/lib/bench-sync");
    return start;
}

sd_bus *open_bus(enum way way)
{
    sd_bus *bus = NULL;
    int r = way == PRIVATE ? connect_private(&bus) : sd_bus_open_system(&bus);

    if (r < 0)
        fail(way == PRIVATE ? "private socket" : "system bus", r);
    return bus;
}

sd_bus_message *call(sd_bus *bus, const char *method, const char *types, ...)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    sd_bus_message *reply = NULL;
    va_list ap;
    int r;

    r = sd_bus_message_new_method_call(bus, &m, SERVICE, OBJECT, SERVICE, method);
    va_start(ap, types);
    if (r >= 0)
        r = sd_bus_message_appendv(m, types, ap);
    va_end(ap);
    if (r >= 0)
        r = sd_bus_call(bus, m, 120ULL * 1000000, &error, &reply);
    if (r < 0) {
        (void) fprintf(stderr, "bench: %s: %s\n", method, error.message ? error.message : strerror(-r));
        exit(1);
    }
    return reply;
}

double ping_rate(enum way way)
{
    _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = open_bus(way);
    double start = now();

    for (int i = 0; i < SYNCS; i++)
        if (sd_bus_call_method(bus, SERVICE, OBJECT, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "") < 0)
            fail("Ping", -EIO);
    return SYNCS / (now() - start);
}

struct caller {
    pthread_t thread;
    enum way way;
    const char *prefix;
    unsigned id, n;
    size_t size;
};

static void *create_secrets(void *data)
{
    const struct caller *c = data;
    _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = open_bus(c->way);
    char payload[PAYLOAD_MAX];

    memset(payload, 'x', sizeof(payload));
    for (unsigned i = 0; i < c->n; i++) {
        _cleanup_close_ int fd = memfd_new(payload, c->size);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char name[64];

        (void) snprintf(name, sizeof(name), "%s-%u-%u", c->prefix, c->id, i);
        reply = call(bus, "CreateSecret", "sa{ss}h", name, 0, fd);
    }
    return NULL;
}

double secret_rate(enum way way, const char *prefix, unsigned callers, unsigned each, size_t size)
{
    struct caller all[CALLERS_MAX];
    double start = now();

    if (callers > CALLERS_MAX || size > PAYLOAD_MAX)
        fail("callers or size", -E2BIG);
    for (unsigned i = 0; i < callers; i++) {
        all[i] = (struct caller) { .way = way, .prefix = prefix, .id = i, .n = each, .size = size };
        if (pthread_create(&all[i].thread, NULL, create_secrets, &all[i]) != 0)
            fail("thread", -EAGAIN);
    }
    for (unsigned i = 0; i < callers; i++)
        (void) pthread_join(all[i].thread, NULL);
    return callers * each / (now() - start);
}
