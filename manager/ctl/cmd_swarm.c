/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "basic/memfd.h"
#include "ctl/cmd.h"
#include "ctl/escape.h"
#include "ctl/info.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/key.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/receipt.h"
#include "ctl/status.h"

static int append_init_options(sd_bus_message *m, const struct args *args, int key)
{
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}", "Autolock", "b", (int) args->on[OPTION_AUTOLOCK]);
    if (r >= 0 && args->on[OPTION_FORCE_NEW_CLUSTER])
        r = sd_bus_message_append(m, "{sv}", "ForceNewCluster", "b", 1);
    if (r >= 0 && key >= 0)
        r = sd_bus_message_append(m, "{sv}", "Key", "h", key);
    if (r >= 0)
        r = cmd_append_addresses(m, args);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static void print_init(const json_t *result)
{
    const char *key = json_text(result, "UnlockKey");

    if (*json_text(result, "WorkerToken") == '\0') {
        output_print("Swarm recovered: current node (");
        output_text(json_text(result, "NodeID"));
        output_print(") is now its only manager.\n");
        return;
    }
    output_print("Swarm initialized: current node (");
    output_text(json_text(result, "NodeID"));
    output_print(") is now a manager.\n\nTo add a worker to this swarm, run the following command:\n\n    swarmctl join --token ");
    output_text(json_text(result, "WorkerToken"));
    output_print(" ");
    output_text(json_text(result, "Address"));
    output_print("\n\nTo add a manager to this swarm, run 'swarmctl join-token manager' and follow the instructions.\n\n");
    if (*key)
        key_print_unlock(key, strlen(key));
}

/* A locked manager that is to go on alone needs its unlock key. */
static int ask_key(struct caller *c, int *ret_fd, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_json_ json_t *info = NULL;
    int r = info_read(c, &info, e);

    if (r != STATUS_OK || strcmp(json_text(info, "State"), "locked") != 0)
        return r;
    r = input_key("Please enter unlock key: ", &key, e);
    if (r != STATUS_OK)
        return r;
    *ret_fd = memfd_new(key.data, key.size);
    return *ret_fd < 0 ? error_set(e, STATUS_FAILED, "cannot hand over the key: %s", strerror(-*ret_fd)) : STATUS_OK;
}

int cmd_init(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_close_ int key = -1;
    int r = args->on[OPTION_FORCE_NEW_CLUSTER] ? ask_key(c, &key, e) : STATUS_OK;

    if (r == STATUS_OK)
        r = call_new(c, "Init", &m, e);
    if (r != STATUS_OK)
        return r;
    r = append_init_options(m, args, key);
    if (r < 0)
        return call_append_error(r, e);
    r = call_send(c, m, &reply, e);
    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &result);
    if (r < 0)
        return call_reply_error(r, e);
    if (!args->on[OPTION_JSON])
        print_init(result);
    else if ((r = json_print(result, e)) != STATUS_OK)
        return r;
    if (*json_text(result, "UnlockKey") == '\0')
        return STATUS_OK;
    return receipt_confirm(c, (uint32_t) json_number(result, "KeyGeneration"), 0, "the swarm exists and autolock is not in force yet", e);
}

static int enable_autolock(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    uint32_t generation;
    int r = call_method(c, "EnableAutolock", &reply, e, "");

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "u", &generation);
    if (r >= 0)
        r = key_read(reply, &key);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON]) {
        _cleanup_json_ json_t *document = json_pack("{s:b,s:I,s:o}", "Autolock", 1, "KeyGeneration", (json_int_t) generation, "UnlockKey",
                                                    key_to_json(&key));

        r = json_print(document, e);
        if (r != STATUS_OK)
            return r;
    } else {
        output_print("Swarm updated.\n");
        key_print_unlock(key.data, key.size);
    }
    return receipt_confirm(c, generation, 0, "autolock is not in force yet", e);
}

static bool is_other_way(const json_t *slot)
{
    return strcmp(json_text(slot, "State"), "foreign") == 0;
}

/* The keyslots that go with the lock. A manager that does not tell them can still turn it off. */
static json_t *other_keyslots(struct caller *c)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *all = NULL;
    json_t *others = json_array(), *slot;
    size_t i;

    if (call_method(c, "ListKeyslots", &reply, NULL, "") != STATUS_OK || json_read(reply, &all) < 0)
        return others;
    json_array_foreach(all, i, slot)
        if (is_other_way(slot))
            (void) json_array_append(others, slot);
    return others;
}

static void tell_gone(const json_t *others)
{
    const json_t *slot;
    size_t i;

    if (json_array_size(others) > 0)
        (void) fprintf(stderr, "Warning: with the lock went %zu other way%s to unlock, to be added anew when autolock is on again:",
                       json_array_size(others), json_array_size(others) > 1 ? "s" : "");
    json_array_foreach(others, i, slot) {
        _cleanup_free_ char *kind = escape(json_text(slot, "Kind"), strlen(json_text(slot, "Kind")), ESCAPE_TEXT);

        (void) fprintf(stderr, "%s %" PRIu64 " (%s)%s", i > 0 ? "," : "", json_number(slot, "Slot"), kind ? kind : "",
                       i + 1 == json_array_size(others) ? "\n" : "");
    }
}

static int disable_autolock(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *others = other_keyslots(c), *document = NULL;
    int r = call_method(c, "DisableAutolock", NULL, e, "");

    if (r != STATUS_OK)
        return r;
    tell_gone(others);
    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:b}", "Autolock", 0), e);
    output_print("Swarm updated.\n");
    return STATUS_OK;
}

static int rekey(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *document = NULL;
    uint32_t count;
    int r = call_method(c, "Rekey", &reply, e, "u", 0U);

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "u", &count);
    if (r < 0)
        return call_reply_error(r, e);
    if (!args->on[OPTION_JSON])
        output_print("Swarm updated.\n");
    else if ((r = json_print(document = json_pack("{s:I}", "Rekey", (json_int_t) count), e)) != STATUS_OK)
        return r;
    progress_rekey(c, count, 0, args->on[OPTION_JSON]);
    return STATUS_OK;
}

int cmd_update(const struct args *args, struct caller *c, struct error *e)
{
    if (args->on[OPTION_REKEY] && args->is_set[OPTION_AUTOLOCK])
        return error_set(e, STATUS_USAGE, "--rekey does not go with --autolock, which makes new keys for the disks anyway");
    if (args->on[OPTION_REKEY])
        return rekey(args, c, e);
    if (!args->is_set[OPTION_AUTOLOCK])
        return error_set(e, STATUS_USAGE, "nothing to update: --autolock=true, --autolock=false or --rekey is missing");
    return args->on[OPTION_AUTOLOCK] ? enable_autolock(args, c, e) : disable_autolock(args, c, e);
}

static void print_token(const struct args *args, const char *role, const struct secret *token, const char *address)
{
    if (args->on[OPTION_QUIET]) {
        output_bytes(token->data, token->size);
        output_print("\n");
        return;
    }
    if (args->on[OPTION_ROTATE])
        output_print("Successfully rotated %s join token.\n\n", role);
    output_print("To add a %s to this swarm, run the following command:\n\n    swarmctl join --token ", role);
    output_bytes(token->data, token->size);
    output_print(" ");
    output_text(address);
    output_print("\n\n");
}

int cmd_join_token(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret token = SECRET_NULL;
    _cleanup_json_ json_t *document = NULL;
    const char *role = args->operands[0], *address;
    int r;

    if (strcmp(role, "worker") != 0 && strcmp(role, "manager") != 0)
        return error_set(e, STATUS_USAGE, "unknown role \"%s\": worker or manager", role);
    r = call_method(c, args->on[OPTION_ROTATE] ? "RotateJoinToken" : "GetJoinToken", &reply, e, "s", role);
    if (r != STATUS_OK)
        return r;
    r = key_read(reply, &token);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &address);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:s,s:o,s:s}", "Role", role, "Token", key_to_json(&token), "Address", address), e);
    print_token(args, role, &token, address);
    return STATUS_OK;
}

int cmd_leave(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *document = NULL;
    int r = call_method(c, "Leave", NULL, e, "b", (int) args->on[OPTION_FORCE]);

    if (r != STATUS_OK)
        return r;
    if (args->on[OPTION_JSON])
        return json_print(document = json_object(), e);
    output_print("Node left the swarm.\n");
    return STATUS_OK;
}
