/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "basic/cleanup.h"
#include "basic/error.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Makes jansson erase what it frees, since keys pass through it. Before its first use. */
void json_init(void);

/* The next value in a message, of any type, as JSON: a dictionary with strings for keys is an object, a memfd is what it holds: text, or
 * base64 for a member named Data. A negative errno; -EBADMSG for text that is not one clean line. */
int json_read(sd_bus_message *m, json_t **ret);

/* What an object has under a key, or a harmless value where it is missing or of another type. */
const char *json_text(const json_t *object, const char *key);
uint64_t json_number(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

/* New references, NULL without memory: a time, given in microseconds since 1970, in RFC 3339; and the labels, none if missing. */
json_t *json_time(const json_t *object, const char *key);
json_t *json_labels(const json_t *object);

/* Times for people and programs, "" for never, wherever the bus has them in a value. -ENOMEM. */
int json_times(json_t *value);

/* One document to standard output, indented as the reference's. document may be NULL (out of memory). STATUS_OK or STATUS_FAILED. */
int json_print(const json_t *document, struct error *e);
