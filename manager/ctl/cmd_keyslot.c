/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "ctl/cmd.h"
#include "ctl/json.h"
#include "ctl/list.h"

static void add_row(struct table *t, const json_t *slot, void *data _unused_)
{
    char number[24], generation[24];

    (void) snprintf(number, sizeof(number), "%" PRIu64, json_number(slot, "Slot"));
    (void) snprintf(generation, sizeof(generation), "%" PRIu64, json_number(slot, "Generation"));
    table_add(t, number);
    table_add(t, json_text(slot, "Kind"));
    table_add(t, generation);
    table_add(t, json_text(slot, "State"));
}

int cmd_keyslot_list(const struct args *args, struct caller *c, struct error *e)
{
    static const char *const header[] = { "SLOT", "KIND", "GENERATION", "STATE", NULL };

    return list_run(&(struct list) { "ListKeyslots", header, add_row, NULL }, args, c, e);
}
