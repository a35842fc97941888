/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "ctl/cmd.h"
#include "ctl/duration.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "ctl/rollout.h"
#include "ctl/status.h"

#define PARALLELISM_DIGITS_MAX 6

/* What is the same for a new service and one that changes. */
struct settings {
    uint32_t parallelism; /* 0: not given */
    uint64_t max_age;
};

static bool is_word(const char *text)
{
    return strcmp(text, "restart") == 0 || strcmp(text, "reload") == 0 || strcmp(text, "none") == 0;
}

static int read_settings(const struct args *args, struct settings *ret, struct error *e)
{
    const char *n = args->value[OPTION_PARALLELISM], *age = args->value[OPTION_MAX_AGE], *word = args->value[OPTION_ON_UPDATE];

    if (word && !is_word(word))
        return error_set(e, STATUS_USAGE, "--on-update is restart, reload or none, not \"%s\"", word);
    if (n) {
        if (*n == '\0' || strspn(n, "0123456789") != strlen(n) || strlen(n) > PARALLELISM_DIGITS_MAX || strtoul(n, NULL, 10) == 0)
            return error_set(e, STATUS_USAGE, "--parallelism is a number of nodes, at least 1: not \"%s\"", n);
        ret->parallelism = (uint32_t) strtoul(n, NULL, 10);
    }
    return age && strcmp(age, "0") != 0 ? duration_parse("max-age", age, &ret->max_age, e) : STATUS_OK;
}

static int append_settings(sd_bus_message *m, const struct args *args, const struct settings *settings)
{
    int r = 0;

    if (args->value[OPTION_UNIT])
        r = sd_bus_message_append(m, "{sv}", "Unit", "s", args->value[OPTION_UNIT]);
    if (r >= 0 && args->value[OPTION_ON_UPDATE])
        r = sd_bus_message_append(m, "{sv}", "OnUpdate", "s", args->value[OPTION_ON_UPDATE]);
    if (r >= 0 && settings->parallelism > 0)
        r = sd_bus_message_append(m, "{sv}", "Parallelism", "u", settings->parallelism);
    if (r >= 0 && args->value[OPTION_MAX_AGE])
        r = sd_bus_message_append(m, "{sv}", "MaxAge", "t", settings->max_age);
    if (r >= 0 && args->is_set[OPTION_OFFLINE])
        r = sd_bus_message_append(m, "{sv}", "Offline", "b", (int) args->on[OPTION_OFFLINE]);
    return r;
}

static int append_option(sd_bus_message *m, const struct args *args, const char *name, enum option option)
{
    const char *texts[ARGS_TEXTS_MAX];

    return cmd_append_texts(m, name, texts, args_texts(args, option, texts));
}

static int append_new(sd_bus_message *m, const struct args *args, const struct settings *settings)
{
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    if (r >= 0)
        r = append_settings(m, args, settings);
    if (r >= 0)
        r = append_option(m, args, "Constraints", OPTION_CONSTRAINT);
    if (r >= 0)
        r = append_option(m, args, "Secrets", OPTION_SECRET);
    if (r >= 0)
        r = append_option(m, args, "Configs", OPTION_CONFIG);
    if (r >= 0)
        r = cmd_append_texts(m, "Labels", args->labels, args->n_labels);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int cmd_service_create(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_json_ json_t *document = NULL;
    struct settings settings = { 0 };
    const char *id;
    int r = read_settings(args, &settings, e);

    if (r == STATUS_OK && !args->value[OPTION_UNIT])
        r = error_set(e, STATUS_USAGE, "--unit is missing: the units that may load the secrets and configs, like web.service or web@*.service");
    if (r == STATUS_OK)
        r = call_new(c, "CreateService", &m, e);
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_append(m, "s", args->operands[0]);
    if (r >= 0)
        r = append_new(m, args, &settings);
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

static const struct {
    enum option option;
    const char *name;
} lists[] = {
    { OPTION_CONSTRAINT_RM, "RemoveConstraints" }, { OPTION_CONSTRAINT_ADD, "AddConstraints" }, { OPTION_SECRET_RM, "RemoveSecrets" },
    { OPTION_SECRET_ADD, "AddSecrets" },           { OPTION_CONFIG_RM, "RemoveConfigs" },       { OPTION_CONFIG_ADD, "AddConfigs" },
};

static int append_changes(sd_bus_message *m, const struct args *args, const struct settings *settings)
{
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    if (r >= 0)
        r = append_settings(m, args, settings);
    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(lists); i++)
        r = append_option(m, args, lists[i].name, lists[i].option);
    if (r >= 0)
        r = cmd_append_texts(m, "RemoveLabels", args->label_keys, args->n_label_keys);
    if (r >= 0)
        r = cmd_append_texts(m, "AddLabels", args->labels, args->n_labels);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static bool has_changes(const struct args *args)
{
    static const enum option options[] = { OPTION_UNIT, OPTION_ON_UPDATE, OPTION_PARALLELISM, OPTION_MAX_AGE, OPTION_OFFLINE };

    for (size_t i = 0; i < ELEMENTSOF(options); i++)
        if (args->is_set[options[i]])
            return true;
    return args->n_texts > 0 || args->n_labels > 0 || args->n_label_keys > 0;
}

static int send_changes(const struct args *args, struct caller *c, const struct settings *settings, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = call_new(c, "UpdateService", &m, e);

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_append(m, "s", args->operands[0]);
    if (r >= 0)
        r = append_changes(m, args, settings);
    return r < 0 ? call_append_error(r, e) : call_send(c, m, NULL, e);
}

/* By the name as it was given; what is gone by its ID. */
static int tell(const struct args *args, const char *name, const char *id, json_t *done, struct error *e)
{
    if (json_array_append_new(done, id ? json_pack("{s:s}", "ID", id) : json_pack("{s:s}", "Service", name)) < 0)
        return call_reply_error(-ENOMEM, e);
    if (!args->on[OPTION_JSON]) {
        output_text(name);
        output_print("\n");
    }
    return STATUS_OK;
}

int cmd_service_update(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *done = json_array();
    struct settings settings = { 0 };
    int r = read_settings(args, &settings, e);

    if (r == STATUS_OK && !has_changes(args) && !args->on[OPTION_RETRY])
        r = error_set(e, STATUS_USAGE, "nothing to update: see 'swarmctl service update --help'");
    if (r == STATUS_OK && has_changes(args))
        r = send_changes(args, c, &settings, e);
    if (r == STATUS_OK && args->on[OPTION_RETRY])
        r = call_method(c, "RetryRollout", NULL, e, "s", args->operands[0]);
    if (r == STATUS_OK)
        r = tell(args, args->operands[0], NULL, done, e);
    if (r == STATUS_OK && args->on[OPTION_JSON])
        r = json_print(done, e);
    if (r != STATUS_OK || !args->on[OPTION_RETRY] || args->on[OPTION_DETACH])
        return r;
    r = output_finish(e);
    return r != STATUS_OK ? r : rollout_follow_service(c, args->operands[0], e);
}

/* *ret_id: of what is gone, in the reply; else untouched. */
typedef int (*change)(struct caller *c, const char *name, sd_bus_message **reply, const char **ret_id, struct error *e);

/* One call for each operand; those that fail are told of at once, and the first such failure is the exit code. */
static int each(const struct args *args, struct caller *c, change one, struct error *e)
{
    _cleanup_json_ json_t *done = json_array();
    int r, first = STATUS_OK;

    for (size_t i = 0; i < args->n_operands; i++) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *id = NULL;
        struct error why = { "" };

        r = one(c, args->operands[i], &reply, &id, &why);
        if (r == STATUS_OK)
            r = tell(args, args->operands[i], id, done, &why);
        if (r != STATUS_OK)
            report_error(&why);
        first = first == STATUS_OK ? r : first;
    }
    r = args->on[OPTION_JSON] ? json_print(done, e) : STATUS_OK;
    return first != STATUS_OK ? first : r;
}

static int enable(struct caller *c, const char *name, sd_bus_message **reply, const char **ret_id _unused_, struct error *e)
{
    return call_method(c, "UpdateService", reply, e, "sa{sv}", name, 1, "Enabled", "b", 1);
}

static int disable(struct caller *c, const char *name, sd_bus_message **reply, const char **ret_id _unused_, struct error *e)
{
    return call_method(c, "UpdateService", reply, e, "sa{sv}", name, 1, "Enabled", "b", 0);
}

static int remove_one(struct caller *c, const char *name, sd_bus_message **reply, const char **ret_id, struct error *e)
{
    int r = call_method(c, "RemoveService", reply, e, "s", name);

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(*reply, "s", ret_id);
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

int cmd_service_enable(const struct args *args, struct caller *c, struct error *e)
{
    return each(args, c, enable, e);
}

int cmd_service_disable(const struct args *args, struct caller *c, struct error *e)
{
    return each(args, c, disable, e);
}

int cmd_service_remove(const struct args *args, struct caller *c, struct error *e)
{
    return each(args, c, remove_one, e);
}
