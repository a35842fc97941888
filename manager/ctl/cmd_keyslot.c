/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "basic/memfd.h"
#include "ctl/cmd.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/keyslot.h"
#include "ctl/list.h"
#include "ctl/output.h"
#include "ctl/status.h"
#include "ctl/times.h"

static void add_number(struct table *t, const json_t *slot, const char *key, bool is_there)
{
    char number[24];

    (void) snprintf(number, sizeof(number), "%" PRIu64, json_number(slot, key));
    table_add(t, is_there ? number : "-");
}

static void add_row(struct table *t, const json_t *slot, void *data)
{
    uint64_t worked = json_number(slot, "Worked");
    char ago[TIMES_TEXT_MAX] = "never";

    if (worked > 0)
        times_ago(*(const uint64_t *) data, worked, ago);
    add_number(t, slot, "Slot", true);
    table_add(t, json_text(slot, "Kind"));
    add_number(t, slot, "Generation", json_number(slot, "Generation") > 0);
    table_add(t, json_text(slot, "State"));
    table_add(t, ago);
    table_add(t, json_text(slot, "Binding"));
    table_add(t, json_text(slot, "Note"));
}

int cmd_keyslot_list(const struct args *args, struct caller *c, struct error *e)
{
    static const char *const header[] = { "SLOT", "KIND", "GENERATION", "STATE", "LAST WORKED", "BOUND TO", "NOTE", NULL };
    uint64_t now = (uint64_t) time(NULL) * 1000000;

    return list_run(&(struct list) { "ListKeyslots", header, add_row, &now, NULL }, args, c, e);
}

static int read_slot(const char *text, int32_t *ret, struct error *e)
{
    if (text[0] < '0' || text[0] > '9' || text[1] != '\0')
        return error_set(e, STATUS_USAGE, "keyslots have numbers, which 'keyslot ls' shows: there is no \"%s\"", text);
    *ret = text[0] - '0';
    return STATUS_OK;
}

/* Of kinds that a person's secret opens: asks for it, when the manager tells what there is. */
static int read_secret(struct caller *c, int32_t slot, struct secret *ret, struct error *e)
{
    _cleanup_json_ json_t *slots = NULL;
    const json_t *one;
    struct error why;
    char prompt[64];
    size_t i;
    int r = keyslot_read_all(c, &slots, &why);

    if (r == STATUS_LOCKED)
        return STATUS_OK;
    if (r != STATUS_OK)
        return error_set(e, r, "%s", why.text);
    json_array_foreach(slots, i, one) {
        static const char *const kinds[] = { "unlock-key", "passphrase", "recovery" };

        for (size_t k = 0; json_number(one, "Slot") == (uint64_t) slot && k < ELEMENTSOF(kinds); k++)
            if (strcmp(json_text(one, "Kind"), kinds[k]) == 0) {
                (void) snprintf(prompt, sizeof(prompt), "Please enter the secret of keyslot %" PRId32 " (%s): ", slot, kinds[k]);
                return input_key(prompt, ret, e);
            }
    }
    return STATUS_OK;
}

static int send_test(struct caller *c, int32_t slot, const struct secret *secret, sd_bus_message **ret, struct error *e)
{
    _cleanup_close_ int fd = -1;

    if (secret->size == 0)
        return call_method(c, "TestKeyslot", ret, e, "ia{sv}", slot, 0);
    fd = memfd_new(secret->data, secret->size);
    if (fd < 0)
        return error_set(e, STATUS_FAILED, "cannot hand over the secret: %s", strerror(-fd));
    return call_method(c, "TestKeyslot", ret, e, "ia{sv}", slot, 1, "Secret", "h", fd);
}

int cmd_keyslot_test(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret secret = SECRET_NULL;
    _cleanup_json_ json_t *result = NULL;
    int32_t slot = -1;
    int r = read_slot(args->operands[0], &slot, e);

    if (r == STATUS_OK)
        r = keyslot_be_patient(c, e);
    if (r == STATUS_OK)
        r = read_secret(c, slot, &secret, e);
    if (r == STATUS_OK)
        r = send_test(c, slot, &secret, &reply, e);
    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &result);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON])
        return json_print(result, e);
    keyslot_print("The lock opens with", result, ".");
    return STATUS_OK;
}

int cmd_keyslot_remove(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *document = NULL;
    int32_t slot = -1;
    int r = read_slot(args->operands[0], &slot, e);

    if (r == STATUS_OK)
        r = call_method(c, "RemoveKeyslot", NULL, e, "i", slot);
    if (r != STATUS_OK)
        return r;
    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:i}", "Keyslot", (int) slot), e);
    output_print("Removed keyslot %" PRId32 ".\n", slot);
    return STATUS_OK;
}

static bool is_news(const json_t *refresh)
{
    return strcmp(json_text(refresh, "Result"), "current") != 0 && strcmp(json_text(refresh, "Result"), "skipped") != 0;
}

static int print_refreshes(const json_t *array, bool only_news, struct error *e)
{
    static const char *const header[] = { "SLOT", "KIND", "RESULT", "NEW SLOT", "FOUND" };
    _cleanup_(table_freep) struct table *t = table_new(ELEMENTSOF(header));
    const json_t *one;
    size_t i, n = 0;

    if (!t)
        return call_reply_error(-ENOMEM, e);
    for (i = 0; i < ELEMENTSOF(header); i++)
        table_add(t, header[i]);
    json_array_foreach(array, i, one) {
        if (only_news && !is_news(one))
            continue;
        add_number(t, one, "Slot", true);
        table_add(t, json_text(one, "Kind"));
        table_add(t, json_text(one, "Result"));
        add_number(t, one, "NewSlot", json_integer_value(json_object_get(one, "NewSlot")) >= 0);
        table_add(t, json_text(one, "Text"));
        n++;
    }
    if (only_news && n == 0)
        return STATUS_OK;
    return table_print(t) < 0 ? call_reply_error(-ENOMEM, e) : STATUS_OK;
}

static int tell_failed(const json_t *array, struct error *e)
{
    const json_t *one;
    unsigned n = 0;
    size_t i;

    json_array_foreach(array, i, one)
        n += strcmp(json_text(one, "Result"), "failed") == 0;
    if (n > 0)
        return error_set(e, STATUS_FAILED, "%u of %zu keyslots would not open, or cannot be bound anew", n, json_array_size(array));
    return STATUS_OK;
}

static int send_refresh(const struct args *args, struct caller *c, sd_bus_message **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int32_t slot = -1;
    int r = args->n_operands > 0 ? read_slot(args->operands[0], &slot, e) : STATUS_OK;

    if (r == STATUS_OK)
        r = call_new(c, "RefreshKeyslots", &m, e);
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0 && args->on[OPTION_CHECK])
        r = sd_bus_message_append(m, "{sv}", "Check", "b", 1);
    if (r >= 0 && args->on[OPTION_AUTOMATIC])
        r = sd_bus_message_append(m, "{sv}", "Automatic", "b", 1);
    if (r >= 0 && slot >= 0)
        r = sd_bus_message_append(m, "{sv}", "Keyslot", "i", slot);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? call_append_error(r, e) : call_send(c, m, ret, e);
}

int cmd_keyslot_refresh(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *array = NULL;
    int r = keyslot_be_patient(c, e);

    if (r == STATUS_OK)
        r = send_refresh(args, c, &reply, e);
    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &array);
    if (r < 0)
        return call_reply_error(r, e);
    r = args->on[OPTION_JSON] ? json_print(array, e) : print_refreshes(array, args->on[OPTION_QUIET], e);
    return r != STATUS_OK ? r : tell_failed(array, e);
}
