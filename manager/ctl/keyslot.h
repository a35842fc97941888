/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "ctl/call.h"

/* Servers and devices are waited for: 16 slow servers, or 7 keyslots whose servers all hang. */
#define KEYSLOT_SECONDS_MAX 600

/* For the calls that follow. An exit code. */
int keyslot_be_patient(struct caller *c, struct error *e);

/* All keyslots, an array. */
int keyslot_read_all(struct caller *c, json_t **ret, struct error *e);

/* Opens an a{sv} entry for a caller that appends the variant's value, of the type, and then closes both. A negative errno. */
int keyslot_open_option(sd_bus_message *m, const char *name, const char *type);
int keyslot_close_option(sd_bus_message *m);

/* "Added keyslot 3 (tang)." */
void keyslot_print(const char *before, const json_t *result, const char *after);
