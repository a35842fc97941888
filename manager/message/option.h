/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "method/method.h"

/* Dictionaries that callers send. */

#define OPTION_SECRET_MAX 1024

/* Reads the value of one entry; -EINVAL for a key that the method does not know. */
typedef int (*options_reader)(sd_bus_message *m, const char *key, void *data);

/* The next value of m, an a{sv}. A negative errno when something in it is not as it has to be. */
int options_read(sd_bus_message *m, options_reader read, void *data);

/* The values: a text of 1 to size - 1 bytes; up to KEYSLOT_SERVERS_MAX of them, each in size bytes of ret; a flag; a secret of 1 to
 * OPTION_SECRET_MAX bytes in a sealed memfd. */
int option_text(sd_bus_message *m, char *ret, size_t size);
int option_texts(sd_bus_message *m, char *ret, size_t size, unsigned *ret_n);
int option_flag(sd_bus_message *m, bool *ret);
int option_secret(sd_bus_message *m, struct secret *ret);

/* text as option_text takes it. */
int option_take_text(const char *text, char *ret, size_t size);
