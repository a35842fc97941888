/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "docker/control.h"

#define CONTROL_NAME "org.swarm.Docker1"
#define CONTROL_PATH "/org/swarm/Docker1"

extern const sd_bus_vtable control_vtable[];
