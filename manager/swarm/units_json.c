/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/units_json.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "basic/cleanup.h"
#include "exchange/exchange.h"
#include "basic/text.h"
#include "unit_name/unit_name.h"
#include "units/units_protocol.h"

#define TOLD_MAX 200 /* bytes of names in one text */

static int dump(json_t *object, char **ret)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (!text)
        return -ENOMEM;
    if (strlen(text) > EXCHANGE_BODY_MAX) {
        free(text);
        return -EMSGSIZE;
    }
    *ret = text;
    return 0;
}

/* The helper checks the same: this is for the words, and so that one service does not hinder the others. */
static int check(const Peer__ServedService *service, struct error *e)
{
    char folder[UNIT_FOLDER_SIZE];
    int r = unit_drop_in_folder(service->unit, folder, e);

    if (r < 0)
        return r;
    if (!unit_service_is_valid(service->name) || service->n_grants > UNITS_CREDENTIALS_MAX)
        return error_set(e, -EOPNOTSUPP, "its name, or the number of its credentials, is beyond what a drop-in can have");
    for (size_t i = 0; i < service->n_grants; i++)
        if (!unit_credential_is_plain(service->grants[i]->credential))
            return error_set(e, -EOPNOTSUPP, "a credential whose name has other characters than letters, digits and ._-@+=, can be in no drop-in");
    return 0;
}

static json_t *drop_in(const Peer__ServedService *service)
{
    json_t *credentials = json_array();

    for (size_t i = 0; i < service->n_grants; i++)
        (void) json_array_append_new(credentials, json_string(service->grants[i]->credential));
    return json_pack("{s:s,s:s,s:o}", "name", service->name, "unit", service->unit, "credentials", credentials);
}

int units_json_drop_ins(const Peer__Manifest *m, char **ret, char why[static ERROR_TEXT_MAX])
{
    json_t *services = json_array();
    struct error e;

    why[0] = '\0';
    for (size_t i = 0; m && i < m->n_services; i++) {
        const Peer__ServedService *service = m->services[i];

        if (!service->enabled || service->n_grants == 0)
            continue;
        if (check(service, &e) == 0)
            (void) json_array_append_new(services, drop_in(service));
        else if (why[0] == '\0')
            (void) snprintf(why, ERROR_TEXT_MAX, "service %.64s has no drop-in here: %.400s", service->name, e.text);
    }
    if (json_array_size(services) > UNITS_SERVICES_MAX) {
        json_decref(services);
        return -EMSGSIZE;
    }
    return dump(json_pack("{s:o}", "services", services), ret);
}

int units_json_update(const char *pattern, bool reload, char **ret)
{
    return dump(json_pack("{s:s,s:s}", "unit", pattern, "how", reload ? "reload" : "restart"), ret);
}

int units_json_state(const char *const *units, size_t n, char **ret)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void) json_array_append_new(list, json_string(units[i]));
    return dump(json_pack("{s:o}", "units", list), ret);
}

static json_t *parse(const struct secret *body)
{
    return json_loadb((const char *) body->data, body->size, JSON_REJECT_DUPLICATES, NULL);
}

/* "WHAT a, b, …", after what is there already. */
static void tell_names(char text[static ERROR_TEXT_MAX], const char *what, const json_t *names)
{
    size_t n = strlen(text), begin = n, i;
    const json_t *name;

    if (json_array_size(names) == 0)
        return;
    n += (size_t) snprintf(text + n, ERROR_TEXT_MAX - n, "%s%s", n > 0 ? "; " : "", what);
    json_array_foreach(names, i, name) {
        if (n - begin > TOLD_MAX) {
            (void) snprintf(text + n, ERROR_TEXT_MAX - n, ", …");
            return;
        }
        n += (size_t) snprintf(text + n, ERROR_TEXT_MAX - n, "%s%.64s", i > 0 ? ", " : " ", json_string_value(name));
    }
}

static bool are_names(const json_t *names)
{
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
        if (!json_is_string(name) || !unit_service_is_valid(json_string_value(name)))
            return false;
    return json_is_array(names);
}

int units_json_drop_ins_reply(const struct secret *body, char done[static ERROR_TEXT_MAX], char failed[static ERROR_TEXT_MAX])
{
    _cleanup_(json_decrefp) json_t *object = parse(body);
    const json_t *written = json_object_get(object, "written"), *removed = json_object_get(object, "removed");
    const json_t *list = json_object_get(object, "failed"), *first = json_array_get(list, 0);
    const char *service = json_string_value(json_object_get(first, "service")), *text = json_string_value(json_object_get(first, "text"));
    char words[ERROR_TEXT_MAX];

    if (!are_names(written) || !are_names(removed) || !json_is_array(list) || (first && (!service || !text)))
        return -EPROTO;
    done[0] = failed[0] = '\0';
    tell_names(done, "written for", written);
    tell_names(done, "removed of", removed);
    if (!first)
        return 0;
    text_copy(words, sizeof(words), text);
    (void) snprintf(failed, ERROR_TEXT_MAX, "service %.64s has no drop-in here: %.400s", service, words);
    text_copy(failed, ERROR_TEXT_MAX, failed);
    return 0;
}

int units_json_update_reply(const struct secret *body, unsigned *ret_units, char failed[static ERROR_TEXT_MAX])
{
    _cleanup_(json_decrefp) json_t *object = parse(body);
    const json_t *units = json_object_get(object, "units");
    const char *unit = json_string_value(json_object_get(object, "failed")), *text = json_string_value(json_object_get(object, "text"));
    json_int_t n = json_integer_value(units);
    char words[ERROR_TEXT_MAX];

    if (!json_is_integer(units) || n < 0 || n > (json_int_t) UNITS_UPDATE_MAX || (unit && (!text || !unit_name_is_valid(unit))))
        return -EPROTO;
    *ret_units = (unsigned) n;
    failed[0] = '\0';
    if (!unit)
        return 0;
    text_copy(words, sizeof(words), text);
    (void) snprintf(failed, ERROR_TEXT_MAX, "%s: %.250s", unit, words);
    text_copy(failed, ERROR_TEXT_MAX, failed);
    return 0;
}

int units_json_is_active(const struct secret *body, const char *unit)
{
    _cleanup_(json_decrefp) json_t *object = parse(body);
    const json_t *active = json_object_get(object, "active"), *name;
    size_t i;

    if (!json_is_array(active))
        return -EPROTO;
    json_array_foreach(active, i, name)
        if (json_is_string(name) && strcmp(json_string_value(name), unit) == 0)
            return 1;
    return 0;
}
