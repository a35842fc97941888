/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/bus_policy.h"

/* Finds out who sent a call and whether polkit lets them. */
struct bus_callers;

#define BUS_CHECKS_MAX 128 /* questions to polkit at once */

struct bus_callers *bus_callers_new(struct swarm *swarm);
void bus_callers_free(struct bus_callers *c);

/* Calls rule->handler at once or when the bus and polkit have answered, or answers m with an error. uid 0 needs no polkit, so that it works
 * where polkitd is absent. */
int bus_callers_admit(struct bus_callers *c, sd_bus_message *m, const struct bus_rule *rule);
