/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ctl/escape.h"
#include "ctl/output.h"

#define WIDTH_MIN 10
#define GAP 3

struct table {
    char **cells;
    size_t n_columns, n_cells, room;
    bool failed;
};

struct table *table_new(size_t n_columns)
{
    struct table *t = calloc(1, sizeof(*t));

    if (t)
        t->n_columns = n_columns;
    return t;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}

void table_add(struct table *t, const char *text)
{
    char *cell = escape(text, strlen(text), ESCAPE_TEXT);

    if (cell && t->n_cells == t->room) {
        size_t room = t->room * 2 + 64;
        char **cells = reallocarray(t->cells, room, sizeof(*cells));

        if (cells) {
            t->cells = cells;
            t->room = room;
        }
    }
    if (!cell || t->n_cells == t->room) {
        free(cell);
        t->failed = true;
        return;
    }
    t->cells[t->n_cells++] = cell;
}

/* in characters */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static size_t column_width(const struct table *t, size_t column)
{
    size_t most = WIDTH_MIN - GAP;

    for (size_t i = column; i < t->n_cells; i += t->n_columns)
        if (width(t->cells[i]) > most)
            most = width(t->cells[i]);
    return most + GAP;
}

int table_print(const struct table *t)
{
    _cleanup_free_ size_t *widths = calloc(t->n_columns, sizeof(*widths));

    if (t->failed || !widths)
        return -ENOMEM;
    for (size_t i = 0; i < t->n_columns; i++)
        widths[i] = column_width(t, i);
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t column = i % t->n_columns;

        if (column + 1 == t->n_columns)
            output_print("%s\n", t->cells[i]);
        else
            output_print("%s%*s", t->cells[i], (int) (widths[column] - width(t->cells[i])), "");
    }
    return 0;
}
