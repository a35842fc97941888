/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/cmd.h"
#include "ctl/json.h"
#include "ctl/list.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "ctl/status.h"
#include "ctl/times.h"

static void add_count(struct table *t, const json_t *array)
{
    char text[24];

    (void) snprintf(text, sizeof(text), "%zu", json_array_size(array));
    table_add(t, text);
}

static void add_row(struct table *t, const json_t *service, void *data _unused_)
{
    table_add(t, json_text(service, "ID"));
    table_add(t, json_text(service, "Name"));
    table_add(t, json_text(service, "Unit"));
    add_count(t, json_object_get(service, "Secrets"));
    add_count(t, json_object_get(service, "Configs"));
    table_add(t, json_text(service, "OnUpdate"));
    table_add(t, json_flag(service, "Enabled") ? "yes" : "no");
    table_add(t, json_text(json_object_get(service, "Rollout"), "State"));
}

int cmd_service_list(const struct args *args, struct caller *c, struct error *e)
{
    static const char *const header[] = { "ID", "NAME", "UNIT", "SECRETS", "CONFIGS", "ON UPDATE", "ENABLED", "ROLLOUT", NULL };

    return list_run(&(struct list) { "ListServices", header, add_row, NULL, NULL }, args, c, e);
}

/* A node that the service is on has one row without a unit while none of its units has loaded anything. */
static void add_use(struct table *t, const json_t *use, void *data)
{
    const uint64_t *now = data;
    const bool any = *json_text(use, "Unit");
    char revision[24] = "", loaded[TIMES_TEXT_MAX] = "";

    if (any) {
        (void) snprintf(revision, sizeof(revision), "%" PRIu64, json_number(use, "Revision"));
        times_ago(*now, json_number(use, "LoadedAt"), loaded);
    }
    table_add(t, json_text(use, "Hostname"));
    table_add(t, any ? json_text(use, "Unit") : "-");
    table_add(t, json_text(use, "Credential"));
    table_add(t, json_text(use, "Name"));
    table_add(t, revision);
    table_add(t, !any ? "" : json_flag(use, "Newest") ? "yes" : "no");
    table_add(t, loaded);
}

int cmd_service_ps(const struct args *args, struct caller *c, struct error *e)
{
    static const char *const header[] = { "NODE", "UNIT", "CREDENTIAL", "SOURCE", "REVISION", "NEWEST", "LOADED", NULL };
    uint64_t now = times_now();

    return list_run(&(struct list) { "ListServiceUses", header, add_use, &now, args->operands[0] }, args, c, e);
}

/* [{"SecretID": …, "SecretName": …, "Credential": …}] */
static json_t *sources(const json_t *service, const char *kind, const char *id_key, const char *name_key)
{
    json_t *array = json_array();
    const json_t *grant;
    size_t i;

    json_array_foreach(json_object_get(service, "Grants"), i, grant)
        if (strcmp(json_text(grant, "Kind"), kind) == 0)
            (void) json_array_append_new(array, json_pack("{s:s,s:s,s:s}", id_key, json_text(grant, "ObjectID"), name_key,
                                                          json_text(grant, "Name"), "Credential", json_text(grant, "Credential")));
    return array;
}

static json_t *spec(const json_t *service)
{
    return json_pack("{s:s,s:o,s:s,s:O*,s:o,s:o,s:s,s:I,s:I,s:b,s:b}", "Name", json_text(service, "Name"), "Labels", json_labels(service), "Unit",
                     json_text(service, "Unit"), "Constraints", json_object_get(service, "Constraints"), "Secrets",
                     sources(service, "secret", "SecretID", "SecretName"), "Configs", sources(service, "config", "ConfigID", "ConfigName"),
                     "OnUpdate", json_text(service, "OnUpdate"), "Parallelism", (json_int_t) json_number(service, "Parallelism"), "MaxAge",
                     (json_int_t) json_number(service, "MaxAge"), "Offline", (int) json_flag(service, "Offline"), "Enabled",
                     (int) json_flag(service, "Enabled"));
}

static json_t *reference_shape(const json_t *service)
{
    _cleanup_json_ json_t *rollout = json_deep_copy(json_object_get(service, "Rollout"));

    if (json_times(rollout) < 0)
        return NULL;
    return json_pack("{s:s,s:{s:I},s:o,s:o,s:o,s:O*}", "ID", json_text(service, "ID"), "Version", "Index",
                     (json_int_t) json_number(service, "Version"), "CreatedAt", json_time(service, "CreatedAt"), "UpdatedAt",
                     json_time(service, "UpdatedAt"), "Spec", spec(service), "Rollout", rollout);
}

int cmd_service_inspect(const struct args *args, struct caller *c, struct error *e)
{
    return inspect_run("InspectService", reference_shape, args, c, e);
}
