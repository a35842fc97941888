/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <uv.h>

#include "basic/error.h"
#include "swarm/swarm.h"

/* org.swarm.Manager1 on the system bus. */
struct bus_manager;

#define BUS_NAME "org.swarm.Manager1"
#define BUS_PATH "/org/swarm/Manager1"

int bus_manager_new(uv_loop_t *loop, struct swarm *swarm, void (*on_lost)(void *data), void *data, struct bus_manager **ret, struct error *e);
void bus_manager_free(struct bus_manager *b);
