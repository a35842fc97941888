/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <systemd/sd-bus.h>

/* How often in a second the disk, and a manager of this machine, do what is asked of them. What fails ends the program. */

#define CALLERS_MAX 16

/* swarmctl's two ways */
enum way {
    PRIVATE,
    SYSTEM,
};

_Noreturn void fail(const char *what, int code);

/* Seconds, on CLOCK_MONOTONIC. */
double now(void);

/* The disk's own limit: one caller that waits for each 4 KiB write. */
double sync_rate(void);

sd_bus *open_bus(enum way way);
sd_bus_message *call(sd_bus *bus, const char *method, const char *types, ...);

/* What the way itself costs: an empty call to the same process. */
double ping_rate(enum way way);

/* Each caller makes so many secrets of size bytes, one after the other. Their names begin with prefix. */
double secret_rate(enum way way, const char *prefix, unsigned callers, unsigned each, size_t size);
