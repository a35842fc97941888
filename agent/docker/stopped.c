/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/stopped.h"

#include <string.h>

#include "basic/cleanup.h"
#include "units/systemd.h"

static const struct unit service = { "docker.service", "/org/freedesktop/systemd1/unit/docker_2eservice" };
static const struct unit listener = { "docker.socket", "/org/freedesktop/systemd1/unit/docker_2esocket" };

bool docker_is_stopped(void)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    char active[32], sub[32];

    if (systemd_connect(SYSTEMD_PRIVATE, &bus, NULL) < 0)
        return false;
    systemd_string(bus, &service, "Unit", "ActiveState", active, sizeof(active));
    systemd_string(bus, &listener, "Unit", "SubState", sub, sizeof(sub));
    return strcmp(active, "deactivating") == 0 || strcmp(sub, "listening") == 0;
}
