/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "basic/error.h"
#include "swarm/swarm.h"

/* org.swarm.Manager1 on the system bus. */
struct bus_manager;

/* Called once, when the connection breaks or never comes to own the name; e says why. */
typedef void (*bus_manager_lost)(void *data, const struct error *e);

/* Waits for nothing: a bus that hangs holds up nobody but its own callers. */
int bus_manager_new(uv_loop_t *loop, struct swarm *swarm, bus_manager_lost on_lost, void *data, struct bus_manager **ret, struct error *e);
void bus_manager_free(struct bus_manager *b);

/* Whether the name was owned at one time. */
bool bus_manager_had_name(const struct bus_manager *b);
