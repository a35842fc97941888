/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "swarm/swarm.h"

/* Appends what the reply says. */
typedef int (*bus_answer)(sd_bus_message *reply, const struct swarm_request *request);

/* Submits the request (NULL: out of memory), which it takes, and answers m when it is done; answer NULL: an empty reply. */
int bus_request(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller, struct swarm_request *request, bus_answer answer);

/* A request with options to fill; NULL without memory. */
struct swarm_request *bus_request_with_options(enum swarm_verb verb);
