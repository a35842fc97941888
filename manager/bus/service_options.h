/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/service_edit.h"

/* Reads the options of CreateService (makes), or the changes of UpdateService, into service: m's first value, a text, is skipped. What is to be
 * removed goes first. A negative errno, mostly with e filled. */
int service_options_read(const struct swarm *s, sd_bus_message *m, bool makes, Pb__Service *service, struct error *e);
