/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "basic/memfd.h"
#include "ctl/cmd.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/list.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "ctl/rollout.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "ctl/times.h"

const struct object_kind object_secret = {
    .word = "secret",
    .max = 500 * 1024,
    .create = "CreateSecret",
    .update = "UpdateSecret",
    .list = "ListSecrets",
    .inspect = "InspectSecret",
    .remove = "RemoveSecret",
    .sources = "Secrets",
};

const struct object_kind object_config = {
    .word = "config",
    .max = 1000 * 1024,
    .create = "CreateConfig",
    .update = "UpdateConfig",
    .list = "ListConfigs",
    .inspect = "InspectConfig",
    .remove = "RemoveConfig",
    .sources = "Configs",
};

static size_t key_length(const char *label)
{
    return strcspn(label, "=");
}

/* Of labels with the same key the last counts. */
static bool is_replaced(const struct args *args, size_t i)
{
    size_t n = key_length(args->labels[i]);

    for (size_t k = i + 1; k < args->n_labels; k++)
        if (key_length(args->labels[k]) == n && strncmp(args->labels[k], args->labels[i], n) == 0)
            return true;
    return false;
}

static int append_labels(sd_bus_message *m, const struct args *args)
{
    int r = sd_bus_message_open_container(m, 'a', "{ss}");

    for (size_t i = 0; r >= 0 && i < args->n_labels; i++) {
        const char *label = args->labels[i];
        _cleanup_free_ char *key = strndup(label, key_length(label));

        if (!key)
            return -ENOMEM;
        if (!is_replaced(args, i))
            r = sd_bus_message_append(m, "{ss}", key, label[strlen(key)] == '=' ? label + strlen(key) + 1 : "");
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

/* A memfd with what the command line names. */
static int data_open(const struct args *args, int *ret, struct error *e)
{
    const struct object_kind *kind = args->command->kind;
    _cleanup_(secret_done) struct secret data = SECRET_NULL;
    char what[32];
    int fd, r;

    (void) snprintf(what, sizeof(what), "%s data", kind->word);
    r = input_data(args->n_operands > 1 ? args->operands[1] : NULL, kind->max, what, &data, e);
    if (r != STATUS_OK)
        return r;
    fd = memfd_new(data.data, data.size);
    if (fd < 0)
        return error_set(e, STATUS_FAILED, "cannot hand over the data: %s", strerror(-fd));
    *ret = fd;
    return STATUS_OK;
}

int cmd_object_create(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_json_ json_t *document = NULL;
    _cleanup_close_ int fd = -1;
    const char *id;
    int r = data_open(args, &fd, e);

    if (r == STATUS_OK)
        r = call_new(c, args->command->kind->create, &m, e);
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_append(m, "s", args->operands[0]);
    if (r >= 0)
        r = append_labels(m, args);
    if (r >= 0)
        r = sd_bus_message_append(m, "h", fd);
    if (r < 0)
        return call_append_error(r, e);
    r = call_send(c, m, &reply, e);
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "s", &id);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:s}", "ID", id), e);
    output_text(id);
    output_print("\n");
    return STATUS_OK;
}

/* What is printed is true whatever becomes of the rollouts. */
static int print_revision(const struct args *args, uint64_t revision, struct error *e)
{
    _cleanup_json_ json_t *document = NULL;
    int r;

    if (args->on[OPTION_JSON]) {
        r = json_print(document = json_pack("{s:I}", "Revision", (json_int_t) revision), e);
        if (r != STATUS_OK)
            return r;
    } else
        output_print("%" PRIu64 "\n", revision);
    return output_finish(e);
}

int cmd_object_update(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_close_ int fd = -1;
    uint64_t revision;
    int r = data_open(args, &fd, e);

    if (r == STATUS_OK)
        r = call_method(c, args->command->kind->update, &reply, e, "sh", args->operands[0], fd);
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "t", &revision);
    if (r < 0)
        return call_reply_error(r, e);
    r = print_revision(args, revision, e);
    return r != STATUS_OK || args->on[OPTION_DETACH] ? r : rollout_follow_object(c, args->command->kind, args->operands[0], e);
}

static void add_row(struct table *t, const json_t *object, void *data)
{
    const uint64_t *now = data;
    char revision[24], created[TIMES_TEXT_MAX], updated[TIMES_TEXT_MAX];

    (void) snprintf(revision, sizeof(revision), "%" PRIu64, json_number(object, "Revision"));
    times_ago(*now, json_number(object, "CreatedAt"), created);
    times_ago(*now, json_number(object, "UpdatedAt"), updated);
    table_add(t, json_text(object, "ID"));
    table_add(t, json_text(object, "Name"));
    table_add(t, revision);
    table_add(t, created);
    table_add(t, updated);
}

int cmd_object_list(const struct args *args, struct caller *c, struct error *e)
{
    static const char *const header[] = { "ID", "NAME", "REVISION", "CREATED", "UPDATED", NULL };
    uint64_t now = times_now();

    return list_run(&(struct list) { args->command->kind->list, header, add_row, &now, NULL }, args, c, e);
}

static json_t *reference_shape(const json_t *object)
{
    _cleanup_json_ json_t *spec = json_pack("{s:s,s:o}", "Name", json_text(object, "Name"), "Labels", json_labels(object));
    _cleanup_json_ json_t *former = json_deep_copy(json_object_get(object, "Former"));
    json_t *data = json_object_get(object, "Data");

    if (!spec || (data && json_object_set(spec, "Data", data) < 0) || json_times(former) < 0)
        return NULL;
    return json_pack("{s:s,s:{s:I},s:o,s:o,s:O,s:I,s:O*}", "ID", json_text(object, "ID"), "Version", "Index",
                     (json_int_t) json_number(object, "Version"), "CreatedAt", json_time(object, "CreatedAt"), "UpdatedAt",
                     json_time(object, "UpdatedAt"), "Spec", spec, "Revision", (json_int_t) json_number(object, "Revision"), "Former", former);
}

int cmd_object_inspect(const struct args *args, struct caller *c, struct error *e)
{
    return inspect_run(args->command->kind->inspect, reference_shape, args, c, e);
}

static int remove_one(const struct args *args, const char *name, struct caller *c, json_t *removed, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *id;
    int r = call_method(c, args->command->kind->remove, &reply, e, "s", name);

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "s", &id);
    if (r < 0)
        return call_reply_error(r, e);
    if (json_array_append_new(removed, json_pack("{s:s}", "ID", id)) < 0)
        return call_reply_error(-ENOMEM, e);
    if (!args->on[OPTION_JSON]) {
        output_text(name);
        output_print("\n");
    }
    return STATUS_OK;
}

int cmd_object_remove(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *removed = json_array();
    int status = STATUS_OK;

    for (size_t i = 0; i < args->n_operands; i++) {
        struct error why;
        int r = remove_one(args, args->operands[i], c, removed, &why);

        if (r != STATUS_OK)
            report_error(&why);
        if (status == STATUS_OK)
            status = r;
    }
    if (args->on[OPTION_JSON]) {
        int r = json_print(removed, e);

        if (r != STATUS_OK)
            return r;
    }
    return status;
}
