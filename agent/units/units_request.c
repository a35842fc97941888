/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units/units_request.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "basic/cleanup.h"

static int invalid(struct error *e)
{
    return error_set(e, -EINVAL, "the request is not one of swarm-units': see swarm-units(8)");
}

void units_request_done(struct units_request *q)
{
    for (size_t i = 0; q->drop_ins && i < q->n; i++)
        free((void *) q->drop_ins[i].credentials);
    free(q->drop_ins);
    free(q->units);
    json_decref(q->json);
    *q = UNITS_REQUEST_NULL;
}

/* The strings of an array. -EINVAL when it is none, or longer than max, or something in it is no string. */
static int strings(const json_t *array, size_t max, const char ***ret, size_t *ret_n)
{
    _cleanup_free_ const char **list = NULL;
    size_t n = json_array_size(array);

    if (!json_is_array(array) || n > max)
        return -EINVAL;
    list = calloc(n + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!(list[i] = json_string_value(json_array_get(array, i))))
            return -EINVAL;
    *ret = TAKE_PTR(list);
    *ret_n = n;
    return 0;
}

static int parse_drop_in(const json_t *object, struct drop_in *ret)
{
    const char *service = json_string_value(json_object_get(object, "name")), *unit = json_string_value(json_object_get(object, "unit"));
    const char **credentials = NULL;
    int r = strings(json_object_get(object, "credentials"), UNITS_CREDENTIALS_MAX, &credentials, &ret->n);

    if (r < 0)
        return r;
    ret->credentials = credentials;
    if (json_object_size(object) != 3 || !service || !unit || !unit_service_is_valid(service) || !unit_pattern_is_valid(unit))
        return -EINVAL;
    ret->service = service;
    ret->unit = unit;
    return 0;
}

static bool is_twice(const struct drop_in *list, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(list[k].service, list[i].service) == 0)
            return true;
    return false;
}

static int parse_drop_ins(struct units_request *q)
{
    const json_t *list = json_object_get(q->json, "services");
    size_t n = json_array_size(list);
    int r = 0;

    if (json_object_size(q->json) != 1 || !json_is_array(list) || n > UNITS_SERVICES_MAX)
        return -EINVAL;
    q->drop_ins = calloc(n + 1, sizeof(*q->drop_ins));
    if (!q->drop_ins)
        return -ENOMEM;
    for (q->n = 0; r == 0 && q->n < n; q->n++) {
        r = parse_drop_in(json_array_get(list, q->n), &q->drop_ins[q->n]);
        if (r == 0 && is_twice(q->drop_ins, q->n))
            r = -EINVAL;
    }
    return r;
}

static int parse_update(struct units_request *q)
{
    const char *how = json_string_value(json_object_get(q->json, "how"));

    q->pattern = json_string_value(json_object_get(q->json, "unit"));
    if (json_object_size(q->json) != 2 || !how || !q->pattern || !unit_pattern_is_valid(q->pattern))
        return -EINVAL;
    q->how = strcmp(how, "reload") == 0 ? UNITS_RELOAD : UNITS_RESTART;
    return q->how == UNITS_RELOAD || strcmp(how, "restart") == 0 ? 0 : -EINVAL;
}

static int parse_state(struct units_request *q)
{
    int r = strings(json_object_get(q->json, "units"), UNITS_STATE_MAX, &q->units, &q->n);

    if (r == 0 && json_object_size(q->json) != 1)
        return -EINVAL;
    for (size_t i = 0; r == 0 && i < q->n; i++)
        if (!unit_name_is_valid(q->units[i]))
            return -EINVAL;
    return r;
}

static int parse(struct units_request *q)
{
    switch (q->operation) {
    case UNITS_DROP_INS:
        return parse_drop_ins(q);
    case UNITS_UPDATE:
        return parse_update(q);
    case UNITS_STATE:
        return parse_state(q);
    default:
        return -EINVAL;
    }
}

int units_request_parse(char operation, const void *body, size_t size, struct units_request *ret, struct error *e)
{
    _cleanup_(units_request_done) struct units_request q = { .operation = operation, .json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL) };
    int r;

    if (!json_is_object(q.json))
        return invalid(e);
    r = parse(&q);
    if (r == -ENOMEM)
        return error_set(e, r, "no memory for the request");
    if (r < 0)
        return invalid(e);
    *ret = q;
    q = UNITS_REQUEST_NULL;
    return 0;
}
