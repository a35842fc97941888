/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <systemd/sd-bus.h>

#include "basic/secret.h"

/* The next value of a message, a memfd with an unlock key or a join token in one line of text. A negative errno. */
int key_read(sd_bus_message *m, struct secret *ret);

/* NULL without memory. */
json_t *key_to_json(const struct secret *key);

/* The reference's words around an unlock key. */
void key_print_unlock(const void *key, size_t n);
