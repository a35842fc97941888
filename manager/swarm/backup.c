/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The swarm's state in a file, and a new swarm of one manager from it. */
#include "keys/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys/unlock_key.h"
#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

struct snapshot_step {
    struct swarm *swarm;
    void *data;
    size_t size;
};

static void take_snapshot(void *data, struct completion *c)
{
    struct snapshot_step *step = data;

    completion_done(c, step->swarm->store ? store_snapshot(step->swarm->store, &step->data, &step->size) : -ENOTCONN);
}

int verb_backup(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    struct snapshot_step step = { .swarm = s };
    struct backup_header header;
    int result = step_current(s, &r->error);

    if (result == 0)
        result = step_active_cluster(s, &cluster, &r->error);
    if (result != 0)
        return result;
    if (!cluster->autolock)
        return error_set(&r->error, -EOPNOTSUPP, "a backup is encrypted to the unlock key, and autolock is not turned on: turn it on with "
                                                 "\"swarmctl update --autolock=true\"");
    header.generation = cluster->unlock_generation;
    (void) strcpy(header.swarm_id, cluster->meta->id);
    result = secret_copy(cluster->unlock_key.data, cluster->unlock_key.len, &key);
    if (result == 0)
        result = lifecycle_on_loop(s->lifecycle, take_snapshot, &step);
    if (result == 0)
        result = backup_write(r->fd, &header, &key, step.data, step.size, &r->error);
    erasing_free(step.data);
    if (result < 0 && r->error.text[0] == '\0')
        (void) error_set(&r->error, result, "the backup cannot be written: %s", strerror(-result));
    r->ret_generation = header.generation;
    return result;
}

/* What the backup holds, as a store of its own. */
static int read_backup(struct swarm_request *r, struct store **ret)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_(store_freep) struct store *store = store_new();
    struct backup_header header;
    void *snapshot = NULL;
    size_t size = 0;
    int result = unlock_key_parse(r->key.data, r->key.size, &key);

    if (result == -EINVAL)
        return error_set(&r->error, result, "invalid key string");
    if (result == 0 && !store)
        result = -ENOMEM;
    if (result == 0)
        result = backup_read(r->fd, &key, &header, &snapshot, &size, &r->error);
    if (result == 0)
        result = store_restore(store, snapshot, size);
    erasing_free(snapshot);
    if (result == -EKEYREJECTED) {
        struct error why = r->error;

        return error_set(&r->error, result, "invalid key provided: %s", why.text);
    }
    if (result == 0 && !store_cluster(store))
        result = -EBADMSG;
    if (result < 0)
        return r->error.text[0] ? result : error_set(&r->error, result, "the backup cannot be restored: %s", strerror(-result));
    *ret = TAKE_PTR(store);
    return 0;
}

static int put_objects(struct swarm *s, const struct store *from, Pb__Kind kind)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < store_n_objects(from, kind); i++) {
        Pb__Object object = *store_object_at(from, kind, i);
        Pb__Meta meta = *object.meta;
        Pb__CreateObject create = PB__CREATE_OBJECT__INIT;
        Pb__Command command = PB__COMMAND__INIT;

        meta.version = 0;
        object.meta = &meta;
        create.kind = kind;
        create.object = &object;
        command.what_case = PB__COMMAND__WHAT_CREATE_OBJECT;
        command.create_object = &create;
        r = step_propose(s, &command);
    }
    return r;
}

/* Its managers are gone as managers: this one is alone. */
static int put_nodes(struct swarm *s, const struct store *from)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < store_n_nodes(from); i++) {
        Pb__Node node = *store_node_at(from, i);
        Pb__Meta meta = *node.meta;
        Pb__PutNode put = PB__PUT_NODE__INIT;
        Pb__Command command = PB__COMMAND__INIT;

        meta.version = 0;
        node.meta = &meta;
        node.role = PB__ROLE__WORKER;
        node.state = PB__NODE_STATE__DOWN;
        node.key_generation = node.rekeyed = 0;
        node.rekey_lost = (char *) protobuf_c_empty_string;
        put.node = &node;
        command.what_case = PB__COMMAND__WHAT_PUT_NODE;
        command.put_node = &put;
        r = step_propose(s, &command);
    }
    return r;
}

static int put_all(struct swarm *s, const void *from, struct error *e)
{
    int r = put_nodes(s, from);

    if (r == 0)
        r = put_objects(s, from, PB__KIND__SECRET);
    if (r == 0)
        r = put_objects(s, from, PB__KIND__CONFIG);
    return r < 0 ? error_set(e, r, "the backup cannot be restored: %s", strerror(-r)) : 0;
}

int verb_restore(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(store_freep) struct store *store = NULL;
    struct error e = { "" };
    int result = init_check_state(s, &r->error);

    if (result == 0)
        result = read_backup(r, &store);
    if (result < 0)
        return result;
    result = init_found(s, r, store_cluster(store), put_all, store);
    if (result < 0)
        return result;
    swarm_event(s, SWARM_EVENT_RECOVERED, r, -1, store_cluster(store)->unlock_generation, "from a backup");
    step_set_state(s, SWARM_ACTIVE, NULL);
    /* the unlock key is in force already: whoever restores has it */
    result = open_reconcile(s, &e);
    if (result < 0)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e.text);
    return 0;
}
