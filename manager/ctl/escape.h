/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum escape {
    ESCAPE_TEXT, /* \n, \xNN and \uNNNN */
    ESCAPE_JSON, /* \uNNNN; what lies below 0x20 is the JSON writer's own layout */
};

/* Whether nothing in n bytes could steer a terminal: control characters, C1 included, marks that turn the direction of writing, and what is
 * no UTF-8. */
bool escape_is_clean(const char *text, size_t n, enum escape how);

/* A copy from malloc with those replaced, NULL without memory. */
char *escape(const char *text, size_t n, enum escape how);
