/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/list.h"

#include <errno.h>

#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "ctl/status.h"

static int print_ids(const json_t *array, bool as_json, struct error *e)
{
    _cleanup_json_ json_t *ids = json_array();
    const json_t *object;
    size_t i;

    json_array_foreach(array, i, object) {
        const char *id = json_text(object, "ID");

        if (as_json && json_array_append_new(ids, json_string(id)) < 0)
            return call_reply_error(-ENOMEM, e);
        if (!as_json) {
            output_text(id);
            output_print("\n");
        }
    }
    return as_json ? json_print(ids, e) : STATUS_OK;
}

static int print_objects(json_t *array, struct error *e)
{
    return json_times(array) < 0 ? call_reply_error(-ENOMEM, e) : json_print(array, e);
}

static int print_rows(const struct list *list, const json_t *array, struct error *e)
{
    _cleanup_(table_freep) struct table *t = NULL;
    const json_t *object;
    size_t i, n = 0;

    while (list->header[n])
        n++;
    t = table_new(n);
    if (!t)
        return call_reply_error(-ENOMEM, e);
    for (i = 0; i < n; i++)
        table_add(t, list->header[i]);
    json_array_foreach(array, i, object)
        list->add_row(t, object, list->data);
    return table_print(t) < 0 ? call_reply_error(-ENOMEM, e) : STATUS_OK;
}

int list_run(const struct list *list, const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *array = NULL;
    int r = call_method(c, list->method, &reply, e, list->argument ? "s" : "", list->argument);

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &array);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_QUIET])
        return print_ids(array, args->on[OPTION_JSON], e);
    return args->on[OPTION_JSON] ? print_objects(array, e) : print_rows(list, array, e);
}

static int inspect_one(const char *method, json_t *(*shape)(const json_t *object), const char *name, json_t *to, struct caller *c,
                       struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *object = NULL;
    int r = call_method(c, method, &reply, e, "s", name);

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &object);
    if (r >= 0 && json_array_append_new(to, shape(object)) < 0)
        r = -ENOMEM;
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

int inspect_run(const char *method, json_t *(*shape)(const json_t *object), const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *array = json_array();
    int r, status = STATUS_OK;

    for (size_t i = 0; i < args->n_operands; i++) {
        struct error why;

        r = inspect_one(method, shape, args->operands[i], array, c, &why);
        if (r != STATUS_OK)
            report_error(&why);
        if (status == STATUS_OK)
            status = r;
    }
    r = json_print(array, e);
    return status != STATUS_OK ? status : r;
}
