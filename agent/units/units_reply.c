/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units/units_reply.h"

#include <jansson.h>

#include "basic/cleanup.h"

static char *dump(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    return text;
}

/* What process 1 says need not be UTF-8, in theory. */
static json_t *words(const char *text)
{
    json_t *string = json_string(text);

    return string ? string : json_string("(not UTF-8)");
}

static json_t *names(const char list[][UNIT_SERVICE_LEN + 1], unsigned n)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < n; i++)
        (void) json_array_append_new(array, json_string(list[i]));
    return array;
}

char *units_reply_drop_ins(const struct drop_ins_report *report)
{
    json_t *failed = json_array();

    for (unsigned i = 0; i < report->n_failed; i++)
        (void) json_array_append_new(failed,
                                     json_pack("{s:s,s:o}", "service", report->failed[i].service, "text", words(report->failed[i].text)));
    return dump(json_pack("{s:o,s:o,s:o}", "written", names(report->written, report->n_written), "removed", names(report->removed, report->n_removed),
                          "failed", failed));
}

char *units_reply_update(const struct update_result *result)
{
    json_t *object = json_pack("{s:i,s:i}", "units", (int) result->units, "skipped", (int) result->skipped);

    if (result->failed[0]) {
        (void) json_object_set_new(object, "failed", json_string(result->failed));
        (void) json_object_set_new(object, "text", words(result->text));
    }
    return dump(object);
}

char *units_reply_state(const char *const *active, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        (void) json_array_append_new(array, json_string(active[i]));
    return dump(json_pack("{s:o}", "active", array));
}
