/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/connect.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "basic/cleanup.h"

#define PRIVATE "unix:path=/run/swarm-manager/private"
#define DOCKER "unix:path=/run/swarm-agent/docker"

static uint64_t now_usec(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* The manager hangs up on those for whom it has no place, which shows only now. */
static int wait_ready(sd_bus *bus)
{
    const uint64_t end = now_usec() + CONNECT_SECONDS_MAX * UINT64_C(1000000);
    uint64_t now;

    while (sd_bus_is_ready(bus) <= 0) {
        int r = sd_bus_process(bus, NULL);

        if (r == 0) {
            now = now_usec();
            if (now >= end)
                return -ETIMEDOUT;
            r = sd_bus_wait(bus, end - now);
        }
        if (r < 0 && r != -EINTR)
            return r;
    }
    return 0;
}

static int connect_at(const char *address, sd_bus **ret)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r;

    r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_negotiate_fds(bus, 1);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = wait_ready(bus);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(bus);
    return 0;
}

int connect_private(sd_bus **ret)
{
    return connect_at(PRIVATE, ret);
}

int connect_docker(sd_bus **ret)
{
    return connect_at(DOCKER, ret);
}

static bool is_bus_meant(void)
{
    return geteuid() != 0 || secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
}

int connect_manager(sd_bus **ret)
{
    int r = is_bus_meant() ? -ENOENT : connect_private(ret);

    return r == 0 || r == -ETIMEDOUT ? r : sd_bus_open_system(ret);
}
