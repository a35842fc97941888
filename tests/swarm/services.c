/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services.h"

#include "pki/id.h"
#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

static void on_result(void *data, int result)
{
    *(int *) data = result;
}

int propose_command(struct node *n, Pb__Command *command)
{
    void *encoded = NULL;
    size_t size;
    int result = 1;

    CHECK_OK(command_encode(command, &encoded, &size));
    CHECK_OK(swarm_propose(n->swarm, encoded, size, on_result, &result));
    erasing_free(encoded);
    WAIT(result <= 0);
    return result;
}

int put_secret(struct node *n, const char *name, const void *data, size_t size)
{
    Pb__CreateObject create = PB__CREATE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    Pb__Object object = PB__OBJECT__INIT;
    Pb__Meta meta = PB__META__INIT;
    char id[STORE_ID_LEN + 1];

    id_new(id);
    meta.id = id;
    object.meta = &meta;
    object.name = (char *) name;
    object.data = (ProtobufCBinaryData) { size, (uint8_t *) data };
    create.kind = PB__KIND__SECRET;
    create.object = &object;
    command.what_case = PB__COMMAND__WHAT_CREATE_OBJECT;
    command.create_object = &create;
    return propose_command(n, &command);
}

int update_secret(struct node *n, const char *name, const void *data, size_t size)
{
    Pb__UpdateObject update = PB__UPDATE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Object *object;

    CHECK_OK(store_find_object(swarm_store(n->swarm), PB__KIND__SECRET, name, &object));
    update.kind = PB__KIND__SECRET;
    update.id = object->meta->id;
    update.version = object->meta->version;
    update.data = (ProtobufCBinaryData) { size, (uint8_t *) data };
    update.now = swarm_now();
    command.what_case = PB__COMMAND__WHAT_UPDATE_OBJECT;
    command.update_object = &update;
    return propose_command(n, &command);
}

int put_service(struct node *n, const char *name, const struct grant_spec *spec)
{
    Pb__PutService put = PB__PUT_SERVICE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    Pb__Service service = PB__SERVICE__INIT;
    Pb__Meta meta = PB__META__INIT;
    Pb__Grant grant = PB__GRANT__INIT, *grants = &grant;
    Pb__Constraint constraint = PB__CONSTRAINT__INIT, *constraints = &constraint;
    const Pb__Object *object;
    char id[STORE_ID_LEN + 1];

    CHECK_OK(store_find_object(swarm_store(n->swarm), PB__KIND__SECRET, spec->secret, &object));
    id_new(id);
    meta.id = id;
    grant.kind = PB__KIND__SECRET;
    grant.object_id = object->meta->id;
    grant.credential = (char *) spec->secret;
    service.meta = &meta;
    service.name = (char *) name;
    service.unit = (char *) spec->unit;
    service.grants = &grants;
    service.n_grants = 1;
    service.parallelism = 1;
    service.max_age = spec->max_age;
    service.offline = spec->offline;
    if (spec->constraint) {
        constraint.key = (char *) spec->constraint;
        constraint.value = (char *) spec->value;
        service.constraints = &constraints;
        service.n_constraints = 1;
    }
    put.service = &service;
    command.what_case = PB__COMMAND__WHAT_PUT_SERVICE;
    command.put_service = &put;
    return propose_command(n, &command);
}

int remove_service(struct node *n, const char *name)
{
    Pb__RemoveService removal = PB__REMOVE_SERVICE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Service *service;

    CHECK_OK(store_find_service(swarm_store(n->swarm), name, &service));
    removal.id = service->meta->id;
    command.what_case = PB__COMMAND__WHAT_REMOVE_SERVICE;
    command.remove_service = &removal;
    return propose_command(n, &command);
}
