/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/rollout.h"

#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/erasing_allocator.h"
#include "store/service.h"

DEFINE_CLEANUP(Pb__Rollout *, rollout_free)

void rollout_free(Pb__Rollout *rollout)
{
    erasing_message_free((ProtobufCMessage *) rollout);
}

static Pb__Held *new_held(Pb__Kind kind, const char *object_id, uint64_t revision)
{
    Pb__Held *held = malloc(sizeof(*held));

    if (!held)
        return NULL;
    pb__held__init(held);
    held->kind = kind;
    held->revision = revision;
    held->object_id = strdup(object_id);
    if (!held->object_id) {
        free(held);
        return NULL;
    }
    return held;
}

static bool add_held(Pb__Rollout *rollout, Pb__Kind kind, const char *object_id, uint64_t revision)
{
    Pb__Held *held;

    for (size_t i = 0; i < rollout->n_held; i++)
        if (rollout->held[i]->kind == kind && strcmp(rollout->held[i]->object_id, object_id) == 0)
            return true;
    held = new_held(kind, object_id, revision);
    if (!held)
        return false;
    rollout->held[rollout->n_held++] = held;
    return true;
}

Pb__Rollout *rollout_new(const Pb__Service *service, Pb__Kind kind, const Pb__Object *object, uint64_t number, int64_t now)
{
    _cleanup_(rollout_freep) Pb__Rollout *new = malloc(sizeof(*new));
    const Pb__Rollout *old = service->rollout;
    size_t n_old = old ? old->n_held : 0;

    if (!new)
        return NULL;
    *new = (Pb__Rollout) PB__ROLLOUT__INIT;
    new->number = number;
    new->since = now;
    new->held = calloc(n_old + 1, sizeof(*new->held));
    if (!new->held)
        return NULL;
    for (size_t i = 0; i < n_old; i++)
        if (!add_held(new, old->held[i]->kind, old->held[i]->object_id, old->held[i]->revision))
            return NULL;
    if (!add_held(new, kind, object->meta->id, object->revision))
        return NULL;
    return TAKE_PTR(new);
}

bool rollout_is_wanted(const struct store *s, const Pb__Service *service)
{
    if (service->on_update == PB__ON_UPDATE__NONE)
        return false;
    for (size_t i = 0; i < s->nodes.n; i++)
        if (service_is_on(service, s->nodes.items[i]))
            return true;
    return false;
}

void rollout_drop_held(Pb__Rollout *rollout)
{
    for (size_t i = 0; i < rollout->n_held; i++)
        erasing_message_free(&rollout->held[i]->base);
    rollout->n_held = 0;
    free(rollout->held);
    rollout->held = NULL;
}

void rollout_follow_service(Pb__Service *service, int64_t now)
{
    Pb__Rollout *rollout = service->rollout;
    size_t kept = 0;

    if (!rollout)
        return;
    if (service->on_update == PB__ON_UPDATE__NONE && rollout->state != PB__ROLLOUT_STATE__DONE) {
        rollout->state = PB__ROLLOUT_STATE__DONE;
        rollout->since = now;
        rollout_drop_held(rollout);
    }
    for (size_t i = 0; i < rollout->n_held; i++)
        if (service_grants(service, rollout->held[i]->kind, rollout->held[i]->object_id))
            rollout->held[kept++] = rollout->held[i];
        else
            erasing_message_free(&rollout->held[i]->base);
    rollout->n_held = kept;
}

static int compare_ids(const void *a, const void *b)
{
    const Pb__RolloutNode *x = *(Pb__RolloutNode *const *) a, *y = *(Pb__RolloutNode *const *) b;

    return strcmp(x->id, y->id);
}

void rollout_sort_nodes(Pb__RolloutNode **nodes, size_t n)
{
    if (n > 0)
        qsort(nodes, n, sizeof(*nodes), compare_ids);
}

bool rollout_held_is_sound(const struct store *s, const Pb__Service *service, const Pb__Held *held)
{
    const Pb__Object *object = store_object(s, held->kind, held->object_id);

    return object && service_grants(service, held->kind, held->object_id) && held->revision != object->revision &&
        store_object_data(object, held->revision);
}
