/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New data for an object, what becomes of its former revisions, and the rollouts that begin with it. */
#include "store/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/erasing_allocator.h"
#include "store/rollout.h"
#include "store/rules.h"
#include "store/service.h"

static void note_use(const Pb__Object *object, uint64_t revision, bool used[static STORE_FORMER_MAX])
{
    for (size_t i = 0; i < object->n_former; i++)
        if (object->former[i]->number == revision)
            used[i] = true;
}

/* Of the former revisions, which a unit was last said to use, or a rollout keeps. */
static size_t find_used(const struct store *s, Pb__Kind kind, const Pb__Object *object, bool ret[static STORE_FORMER_MAX])
{
    const char *id = object->meta->id;
    size_t n = 0;

    memset(ret, 0, STORE_FORMER_MAX * sizeof(*ret));
    for (size_t i = 0; i < s->usages.n; i++) {
        const Pb__Usage *usage = s->usages.items[i];

        for (size_t k = 0; k < usage->n_uses; k++)
            if (usage->uses[k]->kind == kind && strcmp(usage->uses[k]->object_id, id) == 0)
                note_use(object, usage->uses[k]->revision, ret);
    }
    for (size_t i = 0; i < s->services.by_id.n; i++) {
        const Pb__Rollout *rollout = store_service_at(s, i)->rollout;

        for (size_t k = 0; rollout && k < rollout->n_held; k++)
            if (rollout->held[k]->kind == kind && strcmp(rollout->held[k]->object_id, id) == 0)
                note_use(object, rollout->held[k]->revision, ret);
    }
    for (size_t i = 0; i < object->n_former; i++)
        n += ret[i];
    return n;
}

static void keep_only(Pb__Object *object, const bool used[static STORE_FORMER_MAX])
{
    size_t kept = 0;

    for (size_t i = 0; i < object->n_former; i++)
        if (used[i])
            object->former[kept++] = object->former[i];
        else
            erasing_message_free(&object->former[i]->base);
    object->n_former = kept;
}

bool store_can_prune(const struct store *s, Pb__Kind kind, const Pb__Object *object)
{
    bool used[STORE_FORMER_MAX];

    return object->n_former > 0 && find_used(s, kind, object, used) < object->n_former;
}

int apply_prune_object(struct store *s, const Pb__PruneObject *prune)
{
    bool used[STORE_FORMER_MAX];
    Pb__Object *object;
    int r;

    r = rules_check_kind(prune->kind);
    if (r == 0)
        r = rules_check_id(prune->id);
    if (r < 0)
        return r;
    object = index_get(&s->objects[prune->kind].by_id, prune->id);
    if (!object)
        return -ENOENT;

    (void) find_used(s, prune->kind, object, used);
    s->size -= apply_packed_size(object);
    keep_only(object, used);
    s->size += apply_packed_size(object);
    s->version++;
    return 0;
}

/* Everything that an update needs, made before the first change. */
struct update {
    bool used[STORE_FORMER_MAX]; /* of the former revisions, which stay */
    Pb__Revision **former;       /* the array for those that stay and one more */
    Pb__Revision *revision;      /* that one, not yet with its data */
    Pb__Rollout **rollouts;      /* as many as services, NULL where none begins */
    size_t n_rollouts;
    size_t before, after;        /* packed bytes of these services; a rollout that ends may be larger than the one that begins */
};

static void update_done(struct update *u)
{
    free(u->former);
    erasing_message_free((ProtobufCMessage *) u->revision);
    for (size_t i = 0; i < u->n_rollouts; i++)
        rollout_free(u->rollouts[i]);
    free(u->rollouts);
}

static int prepare_former(struct update *u, const struct store *s, Pb__Kind kind, const Pb__Object *object)
{
    size_t n = object->n_former;

    memset(u->used, true, sizeof(u->used));
    if (n == STORE_FORMER_MAX)
        n = find_used(s, kind, object, u->used);
    if (n == STORE_FORMER_MAX)
        return -EBUSY;
    u->former = calloc(n + 1, sizeof(*u->former));
    if (!u->former)
        return -ENOMEM;
    u->revision = malloc(sizeof(*u->revision));
    if (!u->revision)
        return -ENOMEM;
    pb__revision__init(u->revision);
    u->revision->number = object->revision;
    u->revision->created = object->revision == 0 ? object->meta->created : object->revised;
    return 0;
}

static int prepare_rollouts(struct update *u, const struct store *s, Pb__Kind kind, const Pb__Object *object, int64_t now)
{
    size_t n = store_n_services(s);

    u->rollouts = calloc(n + 1, sizeof(*u->rollouts));
    if (!u->rollouts)
        return -ENOMEM;
    u->n_rollouts = n;
    for (size_t i = 0; i < n; i++) {
        const Pb__Service *service = store_service_at(s, i);
        Pb__Service after = *service;

        if (!service_grants(service, kind, object->meta->id) || !rollout_is_wanted(s, service))
            continue;
        u->rollouts[i] = after.rollout = rollout_new(service, kind, object, s->version + 1, now);
        if (!after.rollout)
            return -ENOMEM;
        u->before += apply_packed_size(service);
        u->after += apply_packed_size(&after);
    }
    return 0;
}

/* The object's packed size afterwards: the data that it has now goes on to be a former revision's. */
static size_t size_after(const struct update *u, const struct store *s, const Pb__Object *object, const Pb__UpdateObject *update)
{
    Pb__Revision revision = *u->revision, *former[STORE_FORMER_MAX];
    Pb__Object after = *object;
    Pb__Meta meta = *object->meta;

    revision.data = object->data;
    meta.version = s->version + 1;
    meta.updated = update->now;
    after.meta = &meta;
    after.data = update->data;
    after.revision = object->revision + 1;
    after.revised = update->now;
    after.former = former;
    after.n_former = 0;
    for (size_t i = 0; i < object->n_former; i++)
        if (u->used[i])
            former[after.n_former++] = object->former[i];
    former[after.n_former++] = &revision;
    return apply_packed_size(&after);
}

static void set_data(struct update *u, Pb__Object *object, Pb__UpdateObject *update, uint64_t version)
{
    keep_only(object, u->used);
    for (size_t i = 0; i < object->n_former; i++)
        u->former[i] = object->former[i];
    free(object->former);
    u->revision->data = object->data;
    u->former[object->n_former++] = TAKE_PTR(u->revision);
    object->former = TAKE_PTR(u->former);
    object->data = update->data;
    update->data = (ProtobufCBinaryData) {};
    object->revision++;
    object->revised = object->meta->updated = update->now;
    object->meta->version = version;
}

static bool start_rollouts(struct update *u, struct store *s)
{
    bool any = false;

    for (size_t i = 0; i < u->n_rollouts; i++) {
        Pb__Service *service = s->services.by_id.items[i];

        if (!u->rollouts[i])
            continue;
        rollout_free(service->rollout);
        service->rollout = TAKE_PTR(u->rollouts[i]);
        any = true;
    }
    return any;
}

int apply_update_object(struct store *s, Pb__UpdateObject *update, unsigned *changed)
{
    _cleanup_(update_done) struct update u = {};
    size_t before, after;
    Pb__Object *object;
    int r;

    r = rules_check_update_object(update);
    if (r < 0)
        return r;
    object = index_get(&s->objects[update->kind].by_id, update->id);
    if (!object)
        return -ENOENT;
    if (update->version != object->meta->version)
        return -ESTALE;
    r = prepare_former(&u, s, update->kind, object);
    if (r == 0)
        r = prepare_rollouts(&u, s, update->kind, object, update->now);
    if (r < 0)
        return r;
    before = u.before + apply_packed_size(object);
    after = u.after + size_after(&u, s, object, update);
    if (!apply_has_room(s, before, after))
        return -EDQUOT;

    s->size += after - before;
    s->version++;
    set_data(&u, object, update, s->version);
    if (start_rollouts(&u, s))
        *changed |= STORE_CHANGED_SERVICES;
    return 0;
}
