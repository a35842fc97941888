/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/bus_policy.h"

#define BUS_NAME "org.swarm.Manager1"
#define BUS_PATH "/org/swarm/Manager1"

/* The manager's object on one connection. Calls that have a rule go to admit, which lets them through to the rule's handler or answers
 * them; a negative errno that it returns is answered for it. */
struct bus_object {
    int (*admit)(void *data, sd_bus_message *m, const struct bus_rule *rule);
    void *data;
};

/* object has to last as long as the connection is driven. */
int bus_object_add(sd_bus *bus, struct bus_object *object);
