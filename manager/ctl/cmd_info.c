/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "ctl/cmd.h"
#include "ctl/info.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/status.h"

enum shown {
    TEXT,
    FLAG,
    NUMBER, /* known to an active manager only */
};

static const struct {
    const char *label, *key;
    enum shown shown;
} lines[] = {
    { "Error", "Error", TEXT },
    { "NodeID", "NodeID", TEXT },
    { "Is Manager", "ControlAvailable", FLAG },
    { "ClusterID", "SwarmID", TEXT },
    { "Managers", "Managers", NUMBER },
    { "Nodes", "Nodes", NUMBER },
    { "Secrets", "Secrets", NUMBER },
    { "Configs", "Configs", NUMBER },
    { "Services", "Services", NUMBER },
    { "Autolock", "Autolock", TEXT },
    { "Key Generation", "KeyGeneration", NUMBER },
    { "Node Address", "NodeAddr", TEXT },
    { "Hostname", "Hostname", TEXT },
    { "Version", "Version", TEXT },
};

int info_read(struct caller *c, json_t **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = call_method(c, "Info", &reply, e, "");

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, ret);
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

static void print_line(const json_t *info, size_t i)
{
    if (lines[i].shown == TEXT && *json_text(info, lines[i].key)) {
        output_print(" %s: ", lines[i].label);
        output_text(json_text(info, lines[i].key));
        output_print("\n");
    } else if (lines[i].shown == FLAG)
        output_print(" %s: %s\n", lines[i].label, json_flag(info, lines[i].key) ? "true" : "false");
    else if (lines[i].shown == NUMBER && json_object_get(info, lines[i].key))
        output_print(" %s: %" PRIu64 "\n", lines[i].label, json_number(info, lines[i].key));
}

int cmd_info(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *info = NULL;
    int r = info_read(c, &info, e);

    if (r != STATUS_OK)
        return r;
    if (args->on[OPTION_JSON])
        return json_print(info, e);
    output_print("Swarm: ");
    output_text(json_text(info, "State"));
    output_print("\n");
    for (size_t i = 0; i < ELEMENTSOF(lines); i++)
        print_line(info, i);
    return STATUS_OK;
}
