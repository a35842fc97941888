/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <uv.h>

#include "basic/error.h"
#include "swarm/swarm.h"

/* org.swarm.Manager1 for root alone, without a bus between: the manager listens on a socket of its own and is a D-Bus peer of whoever
 * connects, as process 1 is at /run/systemd/private. Works where no bus is, and spares a call two of its four ways. */
struct bus_private;

#define BUS_PEERS_MAX 64 /* further ones are hung up on */

/* What is at path is removed first. */
int bus_private_new(uv_loop_t *loop, struct swarm *swarm, const char *path, struct bus_private **ret, struct error *e);
void bus_private_free(struct bus_private *p);
