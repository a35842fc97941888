/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/service_options.h"

#include <errno.h>
#include <string.h>

#define MAKES (1U << 0)
#define CHANGES (1U << 1)
#define REMOVES (1U << 2)

static int read_parallelism(sd_bus_message *m, Pb__Service *service)
{
    return sd_bus_message_read(m, "v", "u", &service->parallelism);
}

static int read_max_age(sd_bus_message *m, Pb__Service *service)
{
    return sd_bus_message_read(m, "v", "t", &service->max_age);
}

static int read_flag(sd_bus_message *m, protobuf_c_boolean *ret)
{
    int flag, r = sd_bus_message_read(m, "v", "b", &flag);

    if (r >= 0)
        *ret = flag != 0;
    return r;
}

static int read_offline(sd_bus_message *m, Pb__Service *service)
{
    return read_flag(m, &service->offline);
}

static int read_enabled(sd_bus_message *m, Pb__Service *service)
{
    return read_flag(m, &service->enabled);
}

/* Either a number or flag, or one text, or several. */
static const struct option {
    const char *key;
    unsigned when;
    int (*read)(sd_bus_message *m, Pb__Service *service);
    service_edit text, each;
} options[] = {
    { .key = "Unit", .when = MAKES | CHANGES, .text = service_edit_unit },
    { .key = "Constraints", .when = MAKES, .each = service_edit_add_constraint },
    { .key = "Secrets", .when = MAKES, .each = service_edit_add_secret },
    { .key = "Configs", .when = MAKES, .each = service_edit_add_config },
    { .key = "Labels", .when = MAKES, .each = service_edit_add_label },
    { .key = "AddConstraints", .when = CHANGES, .each = service_edit_add_constraint },
    { .key = "RemoveConstraints", .when = CHANGES | REMOVES, .each = service_edit_remove_constraint },
    { .key = "AddSecrets", .when = CHANGES, .each = service_edit_add_secret },
    { .key = "RemoveSecrets", .when = CHANGES | REMOVES, .each = service_edit_remove_secret },
    { .key = "AddConfigs", .when = CHANGES, .each = service_edit_add_config },
    { .key = "RemoveConfigs", .when = CHANGES | REMOVES, .each = service_edit_remove_config },
    { .key = "AddLabels", .when = CHANGES, .each = service_edit_add_label },
    { .key = "RemoveLabels", .when = CHANGES | REMOVES, .each = service_edit_remove_label },
    { .key = "OnUpdate", .when = MAKES | CHANGES, .text = service_edit_on_update },
    { .key = "Parallelism", .when = MAKES | CHANGES, .read = read_parallelism },
    { .key = "MaxAge", .when = MAKES | CHANGES, .read = read_max_age },
    { .key = "Offline", .when = MAKES | CHANGES, .read = read_offline },
    { .key = "Enabled", .when = MAKES | CHANGES, .read = read_enabled },
};

static const struct option *find_option(const char *key, unsigned when)
{
    for (size_t i = 0; i < ELEMENTSOF(options); i++)
        if (strcmp(options[i].key, key) == 0 && (options[i].when & when))
            return &options[i];
    return NULL;
}

static int read_texts(const struct swarm *s, sd_bus_message *m, service_edit edit, Pb__Service *service, struct error *e)
{
    const char *text;
    int r;

    r = sd_bus_message_enter_container(m, 'v', "as");
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(m, "s", &text)) > 0)
        r = edit(s, service, text, e);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_value(const struct swarm *s, sd_bus_message *m, const struct option *option, Pb__Service *service, struct error *e)
{
    const char *text;
    int r;

    if (option->each)
        return read_texts(s, m, option->each, service, e);
    if (option->read)
        return option->read(m, service);
    r = sd_bus_message_read(m, "v", "s", &text);
    return r < 0 ? r : option->text(s, service, text, e);
}

static int read_entry(const struct swarm *s, sd_bus_message *m, unsigned when, bool removes, Pb__Service *service, struct error *e)
{
    const struct option *option;
    const char *key;
    int r;

    r = sd_bus_message_read(m, "s", &key);
    if (r < 0)
        return r;
    option = find_option(key, when);
    if (!option)
        return error_set(e, -EINVAL, "unknown option %.32s: see org.swarm.Manager1(5)", key);
    if (!(option->when & REMOVES) == removes)
        return sd_bus_message_skip(m, "v");
    r = read_value(s, m, option, service, e);
    if (r == -ENXIO)
        return error_set(e, -EINVAL, "option %s has another type: see org.swarm.Manager1(5)", option->key);
    return r;
}

static int read_pass(const struct swarm *s, sd_bus_message *m, unsigned when, bool removes, Pb__Service *service, struct error *e)
{
    int r;

    r = sd_bus_message_rewind(m, 1);
    if (r >= 0)
        r = sd_bus_message_skip(m, "s");
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = read_entry(s, m, when, removes, service, e);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int service_options_read(const struct swarm *s, sd_bus_message *m, bool makes, Pb__Service *service, struct error *e)
{
    unsigned when = makes ? MAKES : CHANGES;
    int r = makes ? 0 : read_pass(s, m, when, true, service, e);

    return r < 0 ? r : read_pass(s, m, when, false, service, e);
}
