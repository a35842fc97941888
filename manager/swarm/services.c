/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services. The checks here are for good error texts; the store makes them again. */
#include <errno.h>
#include <string.h>

#include "pki/id.h"
#include "store/service.h"
#include "swarm/change.h"
#include "unit_name/unit_name.h"

static int check_names(const Pb__Service *service, struct error *e)
{
    if (!store_name_is_valid(service->name))
        return error_set(e, -EINVAL, "invalid name, only %d [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]",
                         STORE_NAME_MAX);
    if (!service_unit_is_valid(service->unit))
        return error_set(e, -EINVAL, "invalid unit \"%.64s\": it has to be the name of a service, socket, mount or swap, like web.service, in "
                                     "which * stands for any text; web@*.service are the instances of a template", service->unit);
    return 0;
}

static int check_labels(const Pb__Service *service, struct error *e)
{
    if (service->n_labels > STORE_LABELS_MAX)
        return error_set(e, -EINVAL, "more than %d labels", STORE_LABELS_MAX);
    for (size_t i = 0; i < service->n_labels; i++) {
        const Pb__Label *label = service->labels[i];

        if (label->key[0] == '\0' || strlen(label->key) > STORE_LABEL_MAX || strlen(label->value) > STORE_LABEL_MAX)
            return error_set(e, -EINVAL, "invalid label: a key must not be empty, neither it nor its value longer than %d bytes", STORE_LABEL_MAX);
    }
    return 0;
}

static int check_constraints(const Pb__Service *service, struct error *e)
{
    if (service->n_constraints > STORE_CONSTRAINTS_MAX)
        return error_set(e, -EINVAL, "more than %d constraints", STORE_CONSTRAINTS_MAX);
    for (size_t i = 0; i < service->n_constraints; i++) {
        const Pb__Constraint *c = service->constraints[i];

        if (!service_constraint_is_valid(c))
            return error_set(e, -EINVAL, "invalid constraint \"%.64s%s%.64s\": what can be compared are node.id, node.hostname, node.role (with "
                                         "manager or worker) and node.labels.KEY", c->key, c->differs ? "!=" : "==", c->value);
    }
    return 0;
}

static bool is_taken(const Pb__Service *service, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(service->grants[k]->credential, service->grants[i]->credential) == 0)
            return true;
    return false;
}

static int check_grant(const struct store *store, const Pb__Service *service, size_t i, struct error *e)
{
    const Pb__Grant *grant = service->grants[i];
    const Pb__Object *object = store_object(store, grant->kind, grant->object_id);

    if (!object)
        return error_set(e, -ENOENT, "%s %.64s not found", grant->kind == PB__KIND__SECRET ? "secret" : "config", grant->object_id);
    if (!service_credential_is_valid(grant->credential))
        return error_set(e, -EINVAL, "invalid credential ID \"%.80s\": it has 1 to %d printable ASCII characters without blank, /, : and \\, and "
                                     "is neither . nor ..", grant->credential, STORE_CREDENTIAL_MAX);
    if (!service_credential_fits(service->unit, grant->credential))
        return error_set(e, -EINVAL, "the names of unit %.128s and credential %s are too long together for systemd, which takes %d characters in "
                                     "all: give the credential a shorter ID, as %s:ID", service->unit, grant->credential,
                         SERVICE_UNIT_AND_CREDENTIAL_MAX, object->name);
    if (is_taken(service, i))
        return error_set(e, -EINVAL, "two of the secrets and configs have the credential ID %s: give one of them another, as SOURCE:ID",
                         grant->credential);
    return 0;
}

static int check_grants(const struct store *store, const Pb__Service *service, struct error *e)
{
    int r = 0;

    if (service->n_grants > STORE_GRANTS_MAX)
        return error_set(e, -EINVAL, "more than %d secrets and configs", STORE_GRANTS_MAX);
    for (size_t i = 0; r == 0 && i < service->n_grants; i++)
        r = check_grant(store, service, i, e);
    return r;
}

/* What swarm-units would refuse on each node. */
static int check_drop_in(const Pb__Service *service, struct error *e)
{
    char folder[UNIT_FOLDER_SIZE];

    if (unit_drop_in_folder(service->unit, folder, e) < 0)
        return -EINVAL;
    for (size_t i = 0; i < service->n_grants; i++)
        if (!unit_credential_is_plain(service->grants[i]->credential))
            return error_set(e, -EINVAL, "credential ID \"%.80s\" can be in no drop-in, which takes letters, digits and ._-@+=, only: give it another ID, as "
                                         "SOURCE:ID, or write LoadCredential= into the unit by hand", service->grants[i]->credential);
    return 0;
}

static int check_service(const struct store *store, const Pb__Service *service, struct error *e)
{
    int r = check_names(service, e);

    if (r == 0 && (service->parallelism < 1 || service->parallelism > STORE_PARALLELISM_MAX))
        return error_set(e, -EINVAL, "invalid parallelism %u: 1 to %d nodes at once", service->parallelism, STORE_PARALLELISM_MAX);
    if (r == 0 && service->max_age > STORE_AGE_MAX)
        return error_set(e, -EINVAL, "invalid maximal age: at most 100 years");
    if (r == 0)
        r = check_labels(service, e);
    if (r == 0)
        r = check_constraints(service, e);
    if (r == 0)
        r = check_grants(store, service, e);
    return r == 0 && service->enabled ? check_drop_in(service, e) : r;
}

static int explain_put(const struct change *c, int code, struct error *e)
{
    if (code == -EMSGSIZE)
        return error_set(e, code, "service %s is too large with its labels and constraints: at most 256 KiB in all", c->name);
    if (code == -ENOENT)
        return error_set(e, code, "service %s, or a secret or config that it is to grant, was removed meanwhile", c->name);
    return 0;
}

int swarm_find_service(const struct swarm *s, const char *id_or_name, const Pb__Service **ret, struct error *e)
{
    int r = store_find_service(s->store, id_or_name, ret);

    if (r == -ENOTUNIQ)
        return error_set(e, r, "service %.64s is ambiguous: give more of its ID", id_or_name);
    return r < 0 ? error_set(e, r, "service %.64s not found", id_or_name) : 0;
}

int swarm_put_service(struct swarm *s, Pb__Service *service, swarm_done_cb cb, void *cb_data, struct error *e)
{
    const struct change change = { .swarm = s, .cb = cb, .data = cb_data, .noun = "service", .explain = explain_put };
    Pb__Meta meta = PB__META__INIT;
    Pb__PutService put = PB__PUT_SERVICE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    Pb__Service given = *service;
    char id[STORE_ID_LEN + 1];
    int r;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = check_service(s->store, service, e);
    if (r < 0)
        return r;
    if (service->meta)
        meta = *service->meta;
    meta.updated = swarm_now();
    if (meta.version == 0) {
        id_new(id);
        meta.id = id;
        meta.created = meta.updated;
    }
    given.meta = &meta;
    given.rollout = NULL; /* is the store's own */
    put.service = &given;
    command.what_case = PB__COMMAND__WHAT_PUT_SERVICE;
    command.put_service = &put;
    return change_submit(&change, service->name, meta.id, &command, e);
}

int swarm_remove_service(struct swarm *s, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e)
{
    const struct change change = { .swarm = s, .cb = cb, .data = cb_data, .noun = "service" };
    Pb__RemoveService remove = PB__REMOVE_SERVICE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Service *service;
    int r;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = swarm_find_service(s, id_or_name, &service, e);
    if (r != 0)
        return r;
    remove.id = service->meta->id;
    command.what_case = PB__COMMAND__WHAT_REMOVE_SERVICE;
    command.remove_service = &remove;
    return change_submit(&change, service->name, service->meta->id, &command, e);
}

static int explain_retry(const struct change *c, int code, struct error *e)
{
    if (code != -ESTALE)
        return 0;
    return error_set(e, code, "service %s has a newer rollout, or this one has ended: look at it, then try again", c->name);
}

int swarm_retry_rollout(struct swarm *s, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e)
{
    const struct change change = { .swarm = s, .cb = cb, .data = cb_data, .noun = "service", .explain = explain_retry };
    _cleanup_free_ Pb__RolloutNode **nodes = NULL;
    Pb__SetRollout set = PB__SET_ROLLOUT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Service *service;
    int r;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = swarm_find_service(s, id_or_name, &service, e);
    if (r != 0)
        return r;
    if (!service->rollout || service->rollout->state != PB__ROLLOUT_STATE__STOPPED)
        return error_set(e, -EINVAL, "service %s has no rollout that was stopped", service->name);
    nodes = calloc(service->rollout->n_nodes + 1, sizeof(*nodes));
    if (!nodes)
        return error_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; i < service->rollout->n_nodes; i++)
        if (service->rollout->nodes[i]->state != PB__ROLLOUT_NODE_STATE__FAILED)
            nodes[set.n_nodes++] = service->rollout->nodes[i];
    set.service_id = service->meta->id;
    set.number = service->rollout->number;
    set.state = PB__ROLLOUT_STATE__RUNNING;
    set.nodes = nodes;
    set.now = swarm_now();
    command.what_case = PB__COMMAND__WHAT_SET_ROLLOUT;
    command.set_rollout = &set;
    return change_submit(&change, service->name, service->meta->id, &command, e);
}
