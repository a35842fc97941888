/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/cmd.h"
#include "ctl/json.h"
#include "ctl/list.h"

#define WORD_MAX 64

/* The reference's two spellings: "ready" in JSON, "Ready" in tables. */
static void capitalised(const char *word, char ret[static WORD_MAX])
{
    (void) snprintf(ret, WORD_MAX, "%s", word);
    ret[0] = (char) toupper((unsigned char) ret[0]);
}

static bool is_manager(const json_t *node)
{
    return strcmp(json_text(node, "Role"), "manager") == 0;
}

static void add_row(struct table *t, const json_t *node, void *data _unused_)
{
    char id[WORD_MAX], status[WORD_MAX], availability[WORD_MAX], manager[WORD_MAX] = "", generation[24];

    (void) snprintf(id, sizeof(id), "%.32s%s", json_text(node, "ID"), json_flag(node, "Self") ? " *" : "");
    (void) snprintf(generation, sizeof(generation), "%" PRIu64, json_number(node, "KeyGeneration"));
    capitalised(json_text(node, "Status"), status);
    capitalised(json_text(node, "Availability"), availability);
    if (is_manager(node))
        capitalised(json_text(node, "ManagerStatus"), manager);
    table_add(t, id);
    table_add(t, json_text(node, "Hostname"));
    table_add(t, status);
    table_add(t, availability);
    table_add(t, manager);
    table_add(t, generation);
}

int cmd_node_list(const struct args *args, struct caller *c, struct error *e)
{
    static const char *const header[] = { "ID", "HOSTNAME", "STATUS", "AVAILABILITY", "MANAGER STATUS", "KEY GENERATION", NULL };

    return list_run(&(struct list) { "ListNodes", header, add_row, NULL, NULL }, args, c, e);
}

/* Without the port, and without the brackets that part an IPv6 address from it. */
static json_t *host_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t) (colon - address) : strlen(address);

    if (n >= 2 && address[0] == '[' && address[n - 1] == ']')
        return json_stringn(address + 1, n - 2);
    return json_stringn(address, n);
}

static json_t *reference_shape(const json_t *node)
{
    const bool leads = strcmp(json_text(node, "ManagerStatus"), "leader") == 0;
    const char *address = json_text(node, "Address");
    _cleanup_json_ json_t *shaped = json_pack(
        "{s:s,s:{s:I},s:o,s:o,s:{s:o,s:s,s:s},s:{s:s},s:{s:s,s:o},s:I}", "ID", json_text(node, "ID"), "Version", "Index",
        (json_int_t) json_number(node, "Version"), "CreatedAt", json_time(node, "CreatedAt"), "UpdatedAt", json_time(node, "UpdatedAt"), "Spec",
        "Labels", json_labels(node), "Role", json_text(node, "Role"), "Availability", json_text(node, "Availability"), "Description",
        "Hostname", json_text(node, "Hostname"), "Status", "State", json_text(node, "Status"), "Addr", host_of(address), "KeyGeneration",
        (json_int_t) json_number(node, "KeyGeneration"));

    if (!shaped)
        return NULL;
    if (is_manager(node) && json_object_set_new(shaped, "ManagerStatus",
                                                json_pack("{s:b,s:s,s:s}", "Leader", (int) leads, "Reachability",
                                                          leads ? "reachable" : json_text(node, "ManagerStatus"), "Addr", address)) < 0)
        return NULL;
    return TAKE_PTR(shaped);
}

int cmd_node_inspect(const struct args *args, struct caller *c, struct error *e)
{
    return inspect_run("InspectNode", reference_shape, args, c, e);
}
