/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units/state.h"

#include <string.h>

struct state {
    const char **units;
    size_t n, active;
};

static int on_unit(void *data, const char *name, const char *state, const char *path)
{
    struct state *s = data;

    (void) path;
    if (strcmp(state, "inactive") == 0 || strcmp(state, "failed") == 0)
        return 0;
    for (size_t i = s->active; i < s->n; i++)
        if (strcmp(s->units[i], name) == 0) {
            const char *first = s->units[s->active];

            s->units[s->active++] = s->units[i];
            s->units[i] = first;
            break;
        }
    return 0;
}

int state_active(sd_bus *bus, const char **units, size_t n, struct error *e)
{
    struct state s = { .units = units, .n = n };
    int r = systemd_each(bus, on_unit, &s, e);

    return r < 0 ? r : (int) s.active;
}
