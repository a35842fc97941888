/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "basic/error.h"

/* Answers m with the D-Bus error that stands for code (docs/HACKING.md), in e's words; org.swarm.Manager1(5) lists the names. */
int bus_reply_error(sd_bus_message *m, int code, const struct error *e);
int bus_reply_text(sd_bus_message *m, int code, const char *text);
