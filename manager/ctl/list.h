/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "ctl/args.h"
#include "ctl/call.h"
#include "ctl/table.h"

/* What every ls does: an array of objects as a table, as IDs only (-q), or as it is (--json). */
struct list {
    const char *method;
    const char *const *header; /* NULL-terminated */
    void (*add_row)(struct table *t, const json_t *object, void *data);
    void *data;
    const char *argument; /* of the method; NULL: none */
};

int list_run(const struct list *list, const struct args *args, struct caller *c, struct error *e);

/* What every inspect does: an array with each operand's object, put into the reference's shape (a new reference; NULL without memory). Those
 * not found are told of at once, and the first such failure is the exit code. */
int inspect_run(const char *method, json_t *(*shape)(const json_t *object), const struct args *args, struct caller *c, struct error *e);
