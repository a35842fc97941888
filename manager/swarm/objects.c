/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets and configs. The checks here are for good error texts; the store makes them again. */
#include <errno.h>
#include <string.h>

#include "store/command.h"
#include "store/erasing_allocator.h"
#include "pki/id.h"
#include "swarm/swarm_private.h"

struct change {
    swarm_done_cb cb;
    void *data;
    Pb__Kind kind;
    char name[STORE_NAME_MAX + 1];
    char id[STORE_ID_LEN + 1];
};

static const char *kind_name(Pb__Kind kind)
{
    return kind == PB__KIND__SECRET ? "secret" : "config";
}

static int explain(struct error *e, int code, Pb__Kind kind, const char *name)
{
    switch (code) {
    case -EEXIST:
        return error_set(e, code, "%s %s already exists", kind_name(kind), name);
    case -ENOENT:
        return error_set(e, code, "%s %s not found", kind_name(kind), name);
    case -ENOSPC:
        return error_set(e, code, "the disk is full: nothing was changed; make room under /var/lib/swarm-manager and try again");
    case -EDQUOT:
        return error_set(e, code, "the swarm's store is full: remove secrets or configs that nobody needs and try again");
    case -EMSGSIZE:
        return error_set(e, code, "%s %s is too large with its labels: at most 1 MiB in all", kind_name(kind), name);
    case -EAGAIN:
        return error_set(e, code, "too many changes are in flight, or the swarm has no leader: try again");
    case -ENOTCONN:
        return swarm_error_no_leader(e);
    case -ESHUTDOWN:
    case -ECANCELED:
        return error_set(e, -EAGAIN, "the manager lost its place while the change was under way: see whether it was made, then try again");
    default:
        return error_set(e, code, "%s %s cannot be changed: %s", kind_name(kind), name, strerror(-code));
    }
}

static void on_result(void *data, int result)
{
    _cleanup_free_ struct change *change = data;
    struct error e = { "" };

    if (result < 0)
        result = explain(&e, result, change->kind, change->name);
    change->cb(change->data, result, change->id, &e);
}

static int propose(struct swarm *s, const Pb__Command *command, struct change *change)
{
    void *encoded = NULL;
    size_t size;
    int r;

    r = command_encode(command, &encoded, &size);
    if (r < 0)
        return r;
    r = swarm_propose(s, encoded, size, on_result, change);
    erasing_free(encoded);
    return r;
}

static int submit(struct swarm *s, Pb__Command *command, Pb__Kind kind, const char *name, const char *id, swarm_done_cb cb, void *cb_data,
                  struct error *e)
{
    struct change *change = calloc(1, sizeof(*change));
    int r;

    if (!change)
        return error_set(e, -ENOMEM, "out of memory");
    *change = (struct change) { .cb = cb, .data = cb_data, .kind = kind };
    (void) snprintf(change->name, sizeof(change->name), "%s", name);
    (void) snprintf(change->id, sizeof(change->id), "%s", id);
    r = propose(s, command, change);
    if (r < 0) {
        free(change);
        return explain(e, r, kind, name);
    }
    return 0;
}

static int check_object(Pb__Kind kind, const char *name, char *const *labels, size_t size, struct error *e)
{
    size_t max = kind == PB__KIND__SECRET ? STORE_SECRET_MAX : STORE_CONFIG_MAX, n = 0;

    if (!store_name_is_valid(name))
        return error_set(e, -EINVAL, "invalid name, only %d [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]",
                         STORE_NAME_MAX);
    if (size == 0 || size > max)
        return error_set(e, size == 0 ? -EINVAL : -EMSGSIZE, "%s data must be larger than 0 and at most %zu bytes", kind_name(kind), max);
    for (; labels[n]; n++)
        if (strlen(labels[n]) > STORE_LABEL_MAX || (n % 2 == 0 && labels[n][0] == '\0'))
            return error_set(e, -EINVAL, "invalid label: a key must not be empty, neither it nor its value longer than %d bytes", STORE_LABEL_MAX);
    return n > 2 * (size_t) STORE_LABELS_MAX ? error_set(e, -EINVAL, "more than %d labels", STORE_LABELS_MAX) : 0;
}

int swarm_create_object(struct swarm *s, Pb__Kind kind, const char *name, char *const *labels, const void *data, size_t size, swarm_done_cb cb,
                        void *cb_data, struct error *e)
{
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
    return submit(s, &command, kind, name, id, cb, cb_data, e);
}

int swarm_remove_object(struct swarm *s, Pb__Kind kind, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e)
{
    Pb__RemoveObject remove = PB__REMOVE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Object *object;
    int r;

    r = swarm_check_active(s, e);
    if (r < 0)
        return r;
    r = store_find_object(s->store, kind, id_or_name, &object);
    if (r == -ENOTUNIQ)
        return error_set(e, r, "%s %.64s is ambiguous: give more of its ID", kind_name(kind), id_or_name);
    if (r < 0)
        return error_set(e, r, "%s %.64s not found", kind_name(kind), id_or_name);
    remove.kind = kind;
    remove.id = object->meta->id;
    command.what_case = PB__COMMAND__WHAT_REMOVE_OBJECT;
    command.remove_object = &remove;
    return submit(s, &command, kind, object->name, object->meta->id, cb, cb_data, e);
}
