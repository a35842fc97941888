/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "docker/control.h"

#define CONTROL_NAME "org.swarm.Docker1"
#define CONTROL_PATH "/org/swarm/Docker1"

extern const sd_bus_vtable control_vtable[];

/* ---- control_methods.c */
/* Answers m with an error, or with reply; with nothing. */
int control_answer(sd_bus_message *m, int r, sd_bus_message *reply, const struct error *e);
int control_answer_nothing(sd_bus_message *m, int r, const struct error *e);

/* ---- control_keyslots.c */
int control_list_keyslots(sd_bus_message *m, void *data, sd_bus_error *error);
int control_fetch_advertisement(sd_bus_message *m, void *data, sd_bus_error *error);
int control_add_keyslot(sd_bus_message *m, void *data, sd_bus_error *error);
int control_test_keyslot(sd_bus_message *m, void *data, sd_bus_error *error);
int control_refresh_keyslots(sd_bus_message *m, void *data, sd_bus_error *error);
int control_remove_keyslot(sd_bus_message *m, void *data, sd_bus_error *error);
