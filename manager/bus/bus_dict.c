/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_dict.h"

const char *dict_kind(Pb__Kind kind)
{
    return kind == PB__KIND__SECRET ? "secret" : "config";
}

int dict_labels(sd_bus_message *m, Pb__Label *const *labels, size_t n)
{
    int r = dict_open(m, "Labels", "a{ss}", "{ss}");

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = sd_bus_message_append(m, "{ss}", labels[i]->key, labels[i]->value);
    return r < 0 ? r : dict_close(m);
}

int dict_meta(sd_bus_message *m, const Pb__Meta *meta)
{
    int r;

    r = dict_string(m, "ID", meta->id);
    if (r >= 0)
        r = dict_u64(m, "Version", meta->version);
    if (r >= 0)
        r = dict_u64(m, "CreatedAt", (uint64_t) meta->created);
    return r < 0 ? r : dict_u64(m, "UpdatedAt", (uint64_t) meta->updated);
}
