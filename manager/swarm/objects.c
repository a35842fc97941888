/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets and configs. The checks here are for good error texts; the store makes them again. */
#include <errno.h>
#include <string.h>

#include "pki/id.h"
#include "swarm/change.h"

static const char *kind_name(Pb__Kind kind)
{
    return kind == PB__KIND__SECRET ? "secret" : "config";
}

static int error_in_use(const struct store *store, Pb__Kind kind, const char *name, const char *id, struct error *e)
{
    const Pb__Service *service = store ? store_service_granting(store, kind, id) : NULL;

    return error_set(e, -EBUSY, "%s %s is in use by service %s: remove it there first", kind_name(kind), name, service ? service->name : "");
}

static int explain_size(const struct change *c, int code, struct error *e)
{
    if (code != -EMSGSIZE)
        return 0;
    return error_set(e, code, "%s %s is too large with its labels: at most 1 MiB in all", c->noun, c->name);
}

static int explain_removal(const struct change *c, int code, struct error *e)
{
    return code == -EBUSY ? error_in_use(c->swarm->store, c->kind, c->name, c->id, e) : 0;
}

static int explain_update(const struct change *c, int code, struct error *e)
{
    if (code != -EBUSY)
        return explain_size(c, code, e);
    return error_set(e, code, "%d former revisions of %s %s are still in use, and no more are kept: 'swarmctl service ps' shows by which units; "
                              "restart those, or end the rollouts, then try again", STORE_FORMER_MAX, c->noun, c->name);
}

static int check_data(Pb__Kind kind, size_t size, struct error *e)
{
    size_t max = kind == PB__KIND__SECRET ? STORE_SECRET_MAX : STORE_CONFIG_MAX;

    if (size == 0 || size > max)
        return error_set(e, size == 0 ? -EINVAL : -EMSGSIZE, "%s data must be larger than 0 and at most %zu bytes", kind_name(kind), max);
    return 0;
}

static int check_object(Pb__Kind kind, const char *name, char *const *labels, size_t size, struct error *e)
{
    size_t n = 0;
    int r;

    if (!store_name_is_valid(name))
        return error_set(e, -EINVAL, "invalid name, only %d [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]",
                         STORE_NAME_MAX);
    r = check_data(kind, size, e);
    if (r < 0)
        return r;
    for (; labels[n]; n++)
        if (strlen(labels[n]) > STORE_LABEL_MAX || (n % 2 == 0 && labels[n][0] == '\0'))
            return error_set(e, -EINVAL, "invalid label: a key must not be empty, neither it nor its value longer than %d bytes", STORE_LABEL_MAX);
    return n > 2 * (size_t) STORE_LABELS_MAX ? error_set(e, -EINVAL, "more than %d labels", STORE_LABELS_MAX) : 0;
}

int swarm_create_object(struct swarm *s, Pb__Kind kind, const char *name, char *const *labels, const void *data, size_t size, swarm_done_cb cb,
                        void *cb_data, struct error *e)
{
    const struct change change = { .swarm = s, .cb = cb, .data = cb_data, .noun = kind_name(kind), .kind = kind, .explain = explain_size };
    Pb__Label items[STORE_LABELS_MAX], *pointers[STORE_LABELS_MAX];
    Pb__Meta meta = PB__META__INIT;
    Pb__Object object = PB__OBJECT__INIT;
    Pb__CreateObject create = PB__CREATE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    char id[STORE_ID_LEN + 1];
    int r;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = check_object(kind, name, labels, size, e);
    if (r < 0)
        return r;
    for (; labels[2 * object.n_labels]; object.n_labels++) {
        Pb__Label *label = &items[object.n_labels];

        pb__label__init(label);
        label->key = labels[2 * object.n_labels];
        label->value = labels[2 * object.n_labels + 1];
        pointers[object.n_labels] = label;
    }
    id_new(id);
    meta.id = id;
    meta.created = meta.updated = swarm_now();
    object.meta = &meta;
    object.name = (char *) name;
    object.labels = pointers;
    object.data = (ProtobufCBinaryData) { size, (uint8_t *) data };
    create.kind = kind;
    create.object = &object;
    command.what_case = PB__COMMAND__WHAT_CREATE_OBJECT;
    command.create_object = &create;
    return change_submit(&change, name, id, &command, e);
}

int swarm_find_object(const struct swarm *s, Pb__Kind kind, const char *id_or_name, const Pb__Object **ret, struct error *e)
{
    int r = store_find_object(s->store, kind, id_or_name, ret);

    if (r == -ENOTUNIQ)
        return error_set(e, r, "%s %.64s is ambiguous: give more of its ID", kind_name(kind), id_or_name);
    return r < 0 ? error_set(e, r, "%s %.64s not found", kind_name(kind), id_or_name) : 0;
}

int swarm_update_object(struct swarm *s, Pb__Kind kind, const char *id_or_name, const void *data, size_t size, swarm_done_cb cb, void *cb_data,
                        struct error *e)
{
    const struct change change = { .swarm = s, .cb = cb, .data = cb_data, .noun = kind_name(kind), .kind = kind, .explain = explain_update };
    Pb__UpdateObject update = PB__UPDATE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Object *object;
    int r;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = swarm_find_object(s, kind, id_or_name, &object, e);
    if (r == 0)
        r = check_data(kind, size, e);
    if (r != 0)
        return r;
    update.kind = kind;
    update.id = object->meta->id;
    update.version = object->meta->version;
    update.data = (ProtobufCBinaryData) { size, (uint8_t *) data };
    update.now = swarm_now();
    command.what_case = PB__COMMAND__WHAT_UPDATE_OBJECT;
    command.update_object = &update;
    return change_submit(&change, object->name, object->meta->id, &command, e);
}

int swarm_remove_object(struct swarm *s, Pb__Kind kind, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e)
{
    const struct change change = { .swarm = s, .cb = cb, .data = cb_data, .noun = kind_name(kind), .kind = kind, .explain = explain_removal };
    Pb__RemoveObject remove = PB__REMOVE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Object *object;
    int r;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = swarm_find_object(s, kind, id_or_name, &object, e);
    if (r != 0)
        return r;
    if (store_service_granting(s->store, kind, object->meta->id))
        return error_in_use(s->store, kind, object->name, object->meta->id, e);
    remove.kind = kind;
    remove.id = object->meta->id;
    command.what_case = PB__COMMAND__WHAT_REMOVE_OBJECT;
    command.remove_object = &remove;
    return change_submit(&change, object->name, object->meta->id, &command, e);
}
