/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/service_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_dict.h"

static const char *const on_update_names[] = {
    [PB__ON_UPDATE__NONE] = "none",
    [PB__ON_UPDATE__RESTART] = "restart",
    [PB__ON_UPDATE__RELOAD] = "reload",
};

const char *service_on_update_to_string(Pb__OnUpdate on_update)
{
    return on_update_names[on_update];
}

static Pb__Service *copy(const Pb__Service *from)
{
    Pb__Service given = *from;
    _cleanup_free_ uint8_t *packed = NULL;
    size_t size;

    given.rollout = NULL;
    size = pb__service__get_packed_size(&given);
    packed = malloc(size + 1);
    if (!packed)
        return NULL;
    (void) pb__service__pack(&given, packed);
    return pb__service__unpack(NULL, size, packed);
}

/* A field of a message from malloc. */
static int set_text(char **field, const char *text, size_t length)
{
    char *new = strndup(text, length);

    if (!new)
        return -ENOMEM;
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = new;
    return 0;
}

Pb__Service *service_edit_begin(const Pb__Service *from, const char *name)
{
    _cleanup_(service_edit_endp) Pb__Service *service = NULL;

    if (from)
        return copy(from);
    service = malloc(sizeof(*service));
    if (!service)
        return NULL;
    pb__service__init(service);
    service->parallelism = 1;
    return set_text(&service->name, name, strlen(name)) < 0 ? NULL : TAKE_PTR(service);
}

void service_edit_end(Pb__Service *service)
{
    pb__service__free_unpacked(service, NULL);
}

/* Room for one more in an array of n. */
static int grow(void *array, size_t n)
{
    void ***items = array, **more = reallocarray(*items, n + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    *items = more;
    return 0;
}

static void close_gap(void *array, size_t *n, size_t i)
{
    void **items = array;

    memmove(&items[i], &items[i + 1], (*n - i - 1) * sizeof(*items));
    (*n)--;
}

int service_edit_unit(const struct swarm *s _unused_, Pb__Service *service, const char *text, struct error *e _unused_)
{
    return set_text(&service->unit, text, strlen(text));
}

int service_edit_on_update(const struct swarm *s _unused_, Pb__Service *service, const char *text, struct error *e)
{
    for (unsigned i = 0; i < ELEMENTSOF(on_update_names); i++)
        if (strcmp(on_update_names[i], text) == 0) {
            service->on_update = (Pb__OnUpdate) i;
            return 0;
        }
    return error_set(e, -EINVAL, "invalid reaction to updates \"%.32s\": restart, reload or none", text);
}

/* --- constraints */

struct text {
    const char *begin;
    size_t length;
};

static struct text trimmed(const char *begin, const char *end)
{
    while (begin < end && *begin == ' ')
        begin++;
    while (end > begin && end[-1] == ' ')
        end--;
    return (struct text) { begin, (size_t) (end - begin) };
}

static bool is_text(const char *a, struct text b)
{
    return strlen(a) == b.length && memcmp(a, b.begin, b.length) == 0;
}

static int parse_constraint(const char *text, struct text *ret_key, bool *ret_differs, struct text *ret_value, struct error *e)
{
    const char *operator = text;

    while (*operator && strncmp(operator, "==", 2) != 0 && strncmp(operator, "!=", 2) != 0)
        operator++;
    if (!*operator)
        return error_set(e, -EINVAL, "invalid constraint \"%.64s\": it has the form KEY==VALUE or KEY!=VALUE, like node.labels.role==web", text);
    *ret_key = trimmed(text, operator);
    *ret_differs = *operator == '!';
    *ret_value = trimmed(operator + 2, text + strlen(text));
    return 0;
}

static bool find_constraint(const Pb__Service *service, struct text key, bool differs, struct text value, size_t *ret_at)
{
    for (size_t i = 0; i < service->n_constraints; i++) {
        const Pb__Constraint *c = service->constraints[i];

        if (is_text(c->key, key) && !c->differs == !differs && is_text(c->value, value)) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

int service_edit_add_constraint(const struct swarm *s _unused_, Pb__Service *service, const char *text, struct error *e)
{
    Pb__Constraint *new;
    struct text key, value;
    bool differs;
    size_t at;
    int r;

    r = parse_constraint(text, &key, &differs, &value, e);
    if (r < 0 || find_constraint(service, key, differs, value, &at))
        return r;
    if (service->n_constraints == STORE_CONSTRAINTS_MAX)
        return error_set(e, -EINVAL, "more than %d constraints", STORE_CONSTRAINTS_MAX);
    if (grow(&service->constraints, service->n_constraints) < 0 || !(new = malloc(sizeof(*new))))
        return -ENOMEM;
    pb__constraint__init(new);
    service->constraints[service->n_constraints++] = new;
    new->differs = differs;
    r = set_text(&new->key, key.begin, key.length);
    return r < 0 ? r : set_text(&new->value, value.begin, value.length);
}

int service_edit_remove_constraint(const struct swarm *s _unused_, Pb__Service *service, const char *text, struct error *e)
{
    struct text key, value;
    bool differs;
    size_t at;
    int r;

    r = parse_constraint(text, &key, &differs, &value, e);
    if (r != 0)
        return r;
    if (!find_constraint(service, key, differs, value, &at))
        return error_set(e, -ENOENT, "service %s has no constraint \"%.64s\"", service->name, text);
    pb__constraint__free_unpacked(service->constraints[at], NULL);
    close_gap(service->constraints, &service->n_constraints, at);
    return 0;
}

/* --- secrets and configs */

/* *ret_id: NULL where none is given. */
static int find_source(const struct swarm *s, Pb__Kind kind, const char *text, const Pb__Object **ret, const char **ret_id, struct error *e)
{
    const char *colon = strchr(text, ':');
    _cleanup_free_ char *source = strndup(text, colon ? (size_t) (colon - text) : strlen(text));

    if (!source)
        return -ENOMEM;
    *ret_id = colon ? colon + 1 : NULL;
    return swarm_find_object(s, kind, source, ret, e);
}

static int error_taken(const struct swarm *s, const Pb__Service *service, const Pb__Grant *grant, struct error *e)
{
    const Pb__Object *object = store_object(swarm_store(s), grant->kind, grant->object_id);

    return error_set(e, -EEXIST, "service %s calls %s %s %.80s already: give the other one another ID, as SOURCE:ID, or remove this one",
                     service->name, dict_kind(grant->kind), object ? object->name : grant->object_id, grant->credential);
}

static int add_grant(const struct swarm *s, Pb__Service *service, Pb__Kind kind, const char *text, struct error *e)
{
    const Pb__Object *object;
    const char *credential;
    Pb__Grant *new;
    int r;

    r = find_source(s, kind, text, &object, &credential, e);
    if (r < 0)
        return r;
    if (!credential)
        credential = object->name;
    for (size_t i = 0; i < service->n_grants; i++) {
        const Pb__Grant *grant = service->grants[i];

        if (strcmp(grant->credential, credential) != 0)
            continue;
        return grant->kind == kind && strcmp(grant->object_id, object->meta->id) == 0 ? 0 : error_taken(s, service, grant, e);
    }
    if (service->n_grants == STORE_GRANTS_MAX)
        return error_set(e, -EINVAL, "more than %d secrets and configs", STORE_GRANTS_MAX);
    if (grow(&service->grants, service->n_grants) < 0 || !(new = malloc(sizeof(*new))))
        return -ENOMEM;
    pb__grant__init(new);
    service->grants[service->n_grants++] = new;
    new->kind = kind;
    r = set_text(&new->object_id, object->meta->id, strlen(object->meta->id));
    return r < 0 ? r : set_text(&new->credential, credential, strlen(credential));
}

static int remove_grant(const struct swarm *s, Pb__Service *service, Pb__Kind kind, const char *text, struct error *e)
{
    const Pb__Object *object;
    const char *credential;
    size_t i = 0, before = service->n_grants;
    int r;

    r = find_source(s, kind, text, &object, &credential, e);
    if (r < 0)
        return r;
    while (i < service->n_grants) {
        Pb__Grant *grant = service->grants[i];

        if (grant->kind != kind || strcmp(grant->object_id, object->meta->id) != 0 || (credential && strcmp(grant->credential, credential) != 0)) {
            i++;
            continue;
        }
        pb__grant__free_unpacked(grant, NULL);
        close_gap(service->grants, &service->n_grants, i);
    }
    if (service->n_grants == before)
        return error_set(e, -ENOENT, "service %s does not grant %s %s%s%.80s", service->name, dict_kind(kind), object->name, credential ? " as " : "",
                         credential ? credential : "");
    return 0;
}

int service_edit_add_secret(const struct swarm *s, Pb__Service *service, const char *text, struct error *e)
{
    return add_grant(s, service, PB__KIND__SECRET, text, e);
}

int service_edit_remove_secret(const struct swarm *s, Pb__Service *service, const char *text, struct error *e)
{
    return remove_grant(s, service, PB__KIND__SECRET, text, e);
}

int service_edit_add_config(const struct swarm *s, Pb__Service *service, const char *text, struct error *e)
{
    return add_grant(s, service, PB__KIND__CONFIG, text, e);
}

int service_edit_remove_config(const struct swarm *s, Pb__Service *service, const char *text, struct error *e)
{
    return remove_grant(s, service, PB__KIND__CONFIG, text, e);
}

/* --- labels */

static void remove_label(Pb__Service *service, struct text key)
{
    for (size_t i = 0; i < service->n_labels; i++)
        if (is_text(service->labels[i]->key, key)) {
            pb__label__free_unpacked(service->labels[i], NULL);
            close_gap(service->labels, &service->n_labels, i);
            return;
        }
}

int service_edit_add_label(const struct swarm *s _unused_, Pb__Service *service, const char *text, struct error *e)
{
    const char *equals = strchr(text, '='), *value = equals ? equals + 1 : "";
    struct text key = { text, equals ? (size_t) (equals - text) : strlen(text) };
    Pb__Label *new;
    int r;

    remove_label(service, key);
    if (service->n_labels == STORE_LABELS_MAX)
        return error_set(e, -EINVAL, "more than %d labels", STORE_LABELS_MAX);
    if (grow(&service->labels, service->n_labels) < 0 || !(new = malloc(sizeof(*new))))
        return -ENOMEM;
    pb__label__init(new);
    service->labels[service->n_labels++] = new;
    r = set_text(&new->key, key.begin, key.length);
    return r < 0 ? r : set_text(&new->value, value, strlen(value));
}

int service_edit_remove_label(const struct swarm *s _unused_, Pb__Service *service, const char *text, struct error *e _unused_)
{
    remove_label(service, (struct text) { text, strlen(text) });
    return 0;
}
