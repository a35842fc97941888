/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "unit_name/unit_name.h"

/* Process 1, by its private socket: org.freedesktop.systemd1(5). Each call has a time-out. Errors: -EHOSTUNREACH, with process 1's words. */

#define SYSTEMD_PRIVATE "unix:path=/run/systemd/private"
#define SYSTEMD_PATH_MAX 1024 /* of an object: each byte of a unit's name may become three */

struct unit {
    char name[UNIT_NAME_LEN + 1];
    char path[SYSTEMD_PATH_MAX];
};

int systemd_connect(const char *address, sd_bus **ret, struct error *e);

/* Calls cb for each unit that process 1 knows, with its ActiveState, until that returns other than 0. */
int systemd_each(sd_bus *bus, int (*cb)(void *data, const char *name, const char *state, const char *path), void *data, struct error *e);

/* Whether LoadCredential= has one from that path. */
int systemd_loads_from(sd_bus *bus, const struct unit *unit, const char *path, struct error *e);

/* Queues a job, "TryRestartUnit" or "ReloadUnit"; ret_job is its object. -EKEYREJECTED when process 1 refuses. */
int systemd_queue(sd_bus *bus, const char *method, const char *unit, char ret_job[static SYSTEMD_PATH_MAX], struct error *e);

/* A string or a number among the unit's properties; interface: "Unit" or as unit_section(). "", 0 when it has none. */
void systemd_string(sd_bus *bus, const struct unit *unit, const char *interface, const char *name, char *ret, size_t size);
uint32_t systemd_number(sd_bus *bus, const struct unit *unit, const char *interface, const char *name, char type);

/* daemon-reload */
int systemd_reload(sd_bus *bus, struct error *e);
