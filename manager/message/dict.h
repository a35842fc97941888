/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "basic/secret.h"

/* Entries of an a{sv} that is open in m. */
int dict_string(sd_bus_message *m, const char *key, const char *value);
int dict_bool(sd_bus_message *m, const char *key, bool value);
int dict_u32(sd_bus_message *m, const char *key, uint32_t value);
int dict_u64(sd_bus_message *m, const char *key, uint64_t value);
int dict_i32(sd_bus_message *m, const char *key, int32_t value);
/* An entry whose value, of that type, is an array of elements of another, to be appended and then closed. */
int dict_open(sd_bus_message *m, const char *key, const char *type, const char *element);
int dict_close(sd_bus_message *m);
/* As a sealed memfd. */
int dict_secret(sd_bus_message *m, const char *key, const void *data, size_t size);
int append_secret(sd_bus_message *m, const struct secret *secret);
