/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "ctl/cmd.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "ctl/status.h"

typedef int (*change_cb)(const struct args *args, struct caller *c, const char *node, sd_bus_message **ret, struct error *e);

static int add_id(sd_bus_message *reply, json_t *ids, struct error *e)
{
    const char *id;
    int r = sd_bus_message_read(reply, "s", &id);

    if (r >= 0 && json_array_append_new(ids, json_pack("{s:s}", "ID", id)) < 0)
        r = -ENOMEM;
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

/* One call for each operand; those that fail are told of at once, and the first such failure is the exit code. */
static int each(const struct args *args, struct caller *c, change_cb one, struct error *e)
{
    _cleanup_json_ json_t *ids = json_array();
    int r, first = STATUS_OK;

    for (size_t i = 0; i < args->n_operands; i++) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct error why = { "" };

        r = one(args, c, args->operands[i], &reply, &why);
        if (r == STATUS_OK && reply)
            r = add_id(reply, ids, &why);
        if (r != STATUS_OK)
            report_error(&why);
        first = first == STATUS_OK ? r : first;
    }
    r = args->on[OPTION_JSON] ? json_print(ids, e) : STATUS_OK;
    return first != STATUS_OK ? first : r;
}

int cmd_append_texts(sd_bus_message *m, const char *name, const char *const *texts, size_t n)
{
    int r = n > 0 ? sd_bus_message_open_container(m, 'e', "sv") : 0;

    if (r < 0 || n == 0)
        return r;
    r = sd_bus_message_append(m, "s", name);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', "as");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "s");
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = sd_bus_message_append(m, "s", texts[i]);
    for (unsigned i = 0; r >= 0 && i < 3; i++)
        r = sd_bus_message_close_container(m);
    return r;
}

static int append_changes(sd_bus_message *m, const struct args *args, const char *role)
{
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    if (r >= 0 && role)
        r = sd_bus_message_append(m, "{sv}", "Role", "s", role);
    if (r >= 0 && args->value[OPTION_AVAILABILITY])
        r = sd_bus_message_append(m, "{sv}", "Availability", "s", args->value[OPTION_AVAILABILITY]);
    if (r >= 0)
        r = cmd_append_texts(m, "AddLabels", args->labels, args->n_labels);
    if (r >= 0)
        r = cmd_append_texts(m, "RemoveLabels", args->label_keys, args->n_label_keys);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int update(const struct args *args, struct caller *c, const char *node, const char *role, sd_bus_message **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = call_new(c, "UpdateNode", &m, e);

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_append(m, "s", node);
    if (r >= 0)
        r = append_changes(m, args, role);
    return r < 0 ? call_append_error(r, e) : call_send(c, m, ret, e);
}

static void tell(const struct args *args, const char *before, const char *node, const char *after)
{
    if (args->on[OPTION_JSON])
        return;
    output_print("%s", before);
    output_text(node);
    output_print("%s", after);
}

static int set_role(const struct args *args, struct caller *c, const char *node, const char *role, sd_bus_message **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *old = NULL;
    bool promotes = strcmp(role, "manager") == 0;
    int r = call_method(c, "InspectNode", &reply, e, "s", node);

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &old);
    if (r < 0)
        return call_reply_error(r, e);
    if (strcmp(json_text(old, "Role"), role) == 0) {
        tell(args, "Node ", node, promotes ? " is already a manager.\n" : " is already a worker.\n");
        return STATUS_OK; /* nothing changed: no ID to print as JSON */
    }
    r = update(args, c, node, role, ret, e);
    if (r == STATUS_OK)
        tell(args, promotes ? "Node " : "Manager ", node, promotes ? " promoted to a manager in the swarm.\n" : " demoted in the swarm.\n");
    return r;
}

static int promote(const struct args *args, struct caller *c, const char *node, sd_bus_message **ret, struct error *e)
{
    return set_role(args, c, node, "manager", ret, e);
}

static int demote(const struct args *args, struct caller *c, const char *node, sd_bus_message **ret, struct error *e)
{
    return set_role(args, c, node, "worker", ret, e);
}

static int remove_one(const struct args *args, struct caller *c, const char *node, sd_bus_message **ret, struct error *e)
{
    int r = call_method(c, "RemoveNode", ret, e, "sb", node, (int) args->on[OPTION_FORCE_REMOVE]);

    if (r == STATUS_OK)
        tell(args, "", node, "\n");
    return r;
}

int cmd_node_promote(const struct args *args, struct caller *c, struct error *e)
{
    return each(args, c, promote, e);
}

int cmd_node_demote(const struct args *args, struct caller *c, struct error *e)
{
    return each(args, c, demote, e);
}

int cmd_node_remove(const struct args *args, struct caller *c, struct error *e)
{
    return each(args, c, remove_one, e);
}

static bool is_word(const char *given, const char *const *words)
{
    for (; given && *words; words++)
        if (strcmp(given, *words) == 0)
            return true;
    return !given;
}

static int check_update(const struct args *args, struct error *e)
{
    static const char *const roles[] = { "worker", "manager", NULL }, *const availabilities[] = { "active", "pause", "drain", NULL };
    const char *role = args->value[OPTION_ROLE], *availability = args->value[OPTION_AVAILABILITY];

    if (!role && !availability && args->n_labels == 0 && args->n_label_keys == 0)
        return error_set(e, STATUS_USAGE, "nothing to update: --role, --availability, --label-add or --label-rm is missing");
    if (!is_word(role, roles))
        return error_set(e, STATUS_USAGE, "unknown role \"%s\": worker or manager", role);
    if (!is_word(availability, availabilities))
        return error_set(e, STATUS_USAGE, "unknown availability \"%s\": active, pause or drain", availability);
    return STATUS_OK;
}

static int update_one(const struct args *args, struct caller *c, const char *node, sd_bus_message **ret, struct error *e)
{
    int r = update(args, c, node, args->value[OPTION_ROLE], ret, e);

    if (r == STATUS_OK)
        tell(args, "", node, "\n");
    return r;
}

int cmd_node_update(const struct args *args, struct caller *c, struct error *e)
{
    int r = check_update(args, e);

    return r != STATUS_OK ? r : each(args, c, update_one, e);
}
