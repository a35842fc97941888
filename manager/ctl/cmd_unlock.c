/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "basic/cleanup.h"
#include "ctl/cmd.h"
#include "ctl/duration.h"
#include "ctl/info.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/key.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/receipt.h"
#include "ctl/status.h"

#define PENDING_POLL_MS 100
#define PENDING_POLLS_MAX 50

/* No one is asked for a key that nothing needs. A manager that is just starting does not know yet whether it is locked. */
static int check_locked(struct caller *c, struct error *e)
{
    for (unsigned i = 0; i < PENDING_POLLS_MAX; i++) {
        _cleanup_json_ json_t *info = NULL;
        const char *state;
        int r = info_read(c, &info, e);

        if (r != STATUS_OK)
            return r;
        state = json_text(info, "State");
        if (strcmp(state, "locked") == 0)
            return STATUS_OK;
        if (strcmp(state, "inactive") == 0)
            return error_set(e, STATUS_NOT_MANAGER, "This node is not part of a swarm");
        if (strcmp(state, "error") == 0)
            return error_set(e, STATUS_FAILED, "%s", *json_text(info, "Error") ? json_text(info, "Error") : "the manager is in error");
        if (strcmp(state, "pending") != 0)
            return error_set(e, STATUS_ALREADY, "swarm is not locked");
        if (*json_text(info, "Error"))
            return error_set(e, STATUS_ALREADY, "swarm is not locked: the manager is %s", json_text(info, "Error"));
        (void) nanosleep(&(struct timespec) { .tv_nsec = PENDING_POLL_MS * 1000000L }, NULL);
    }
    return error_set(e, STATUS_BUSY, "the manager is still opening its store; try again");
}

/* With others, being open is not being active yet. */
static int tell_pending(struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *info = NULL;
    int r = info_read(c, &info, e);

    if (r != STATUS_OK || strcmp(json_text(info, "State"), "pending") != 0)
        return r;
    output_print("The manager is ");
    output_text(json_text(info, "Error"));
    output_print(".\n");
    return STATUS_OK;
}

int cmd_unlock(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_close_ int fd = -1;
    int r = check_locked(c, e);

    if (r == STATUS_OK)
        r = input_key_memfd("Please enter unlock key: ", &fd, e);
    if (r == STATUS_OK)
        r = call_method(c, "Unlock", &reply, e, "h", fd);
    if (r != STATUS_OK || (args->on[OPTION_QUIET] && !args->on[OPTION_JSON]))
        return r;
    r = json_read(reply, &result);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON])
        return json_print(result, e);
    output_print("Swarm unlocked with keyslot %" PRIu64 " (", json_number(result, "Keyslot"));
    output_text(json_text(result, "Kind"));
    output_print(").\n");
    return tell_pending(c, e);
}

static int print_key(const struct args *args, uint32_t generation, const struct secret *key, struct error *e)
{
    _cleanup_json_ json_t *document = NULL;

    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:I,s:o}", "KeyGeneration", (json_int_t) generation, "UnlockKey", key_to_json(key)), e);
    if (args->on[OPTION_QUIET]) {
        output_bytes(key->data, key->size);
        output_print("\n");
        return STATUS_OK;
    }
    if (args->on[OPTION_ROTATE])
        output_print("Successfully rotated manager unlock key.\n\n");
    key_print_unlock(key->data, key->size);
    return STATUS_OK;
}

static int check_options(const struct args *args, struct error *e)
{
    if (!args->on[OPTION_REKEY])
        return STATUS_OK;
    if (!args->on[OPTION_ROTATE])
        return error_set(e, STATUS_USAGE, "--rekey goes with --rotate; new keys under the unlock key that is in force: 'swarmctl update --rekey'");
    if (args->value[OPTION_OLD_KEY_EXPIRES])
        return error_set(e, STATUS_USAGE, "--old-key-expires does not go with --rekey: the old key opens nothing as soon as a manager has new keys");
    return STATUS_OK;
}

/* Before the key is printed and confirmed: what is asked for comes with the confirmation. */
static int ask_rekey(struct caller *c, uint32_t generation, uint32_t *ret_count, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = call_method(c, "Rekey", &reply, e, "u", generation);

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "u", ret_count);
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

int cmd_unlock_key(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    uint64_t expires = 0;
    bool quiet = args->on[OPTION_QUIET] || args->on[OPTION_JSON];
    uint32_t generation, count = 0;
    int r = check_options(args, e);

    if (r == STATUS_OK && args->value[OPTION_OLD_KEY_EXPIRES])
        r = duration_parse("old-key-expires", args->value[OPTION_OLD_KEY_EXPIRES], &expires, e);
    if (r == STATUS_OK)
        r = call_method(c, args->on[OPTION_ROTATE] ? "RotateUnlockKey" : "GetUnlockKey", &reply, e, "");
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "u", &generation);
    if (r >= 0)
        r = key_read(reply, &key);
    if (r < 0)
        return call_reply_error(r, e);
    r = args->on[OPTION_REKEY] ? ask_rekey(c, generation, &count, e) : STATUS_OK;
    if (r == STATUS_OK)
        r = print_key(args, generation, &key, e);
    if (r == STATUS_OK)
        r = receipt_confirm(c, generation, expires, "the old key still works", e);
    if (r != STATUS_OK || !args->on[OPTION_ROTATE])
        return r;
    if (args->on[OPTION_REKEY])
        progress_rekey(c, count, generation, quiet);
    else
        progress_unlock_key(c, generation, quiet);
    return STATUS_OK;
}
