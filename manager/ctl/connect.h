/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* The ways to the manager, and to the agent for Docker. */

#define CONNECT_SECONDS_MAX 85 /* sd-bus's own 90 would look like a manager that hangs up */

/* Its own socket, which only root may use; ready for calls. -ETIMEDOUT when it hangs. */
int connect_private(sd_bus **ret);

/* The same of swarm-agent-docker. */
int connect_docker(sd_bus **ret);

/* The private socket for root, the system bus (which starts the manager) for everybody else and where the former leads nowhere. Who says
 * where the system bus is, with $DBUS_SYSTEM_BUS_ADDRESS, means the bus. */
int connect_manager(sd_bus **ret);
