/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/cleanup.h"

/* Rows of aligned columns, spaced as the reference does; the first row is the header. */
struct table;

struct table *table_new(size_t n_columns); /* NULL without memory */
void table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free)

/* Appends the next cell, row by row, escaped. */
void table_add(struct table *t, const char *text);

/* To standard output. 0, or -ENOMEM when a cell was lost. */
int table_print(const struct table *t);
