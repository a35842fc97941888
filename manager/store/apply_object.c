/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/apply.h"

#include <errno.h>

#include "store/erasing_allocator.h"
#include "store/rules.h"

int apply_create_object(struct store *s, Pb__CreateObject *create)
{
    Pb__Object *new = create->object;
    struct named *objects;
    size_t size;
    int r;

    r = rules_check_object(create->kind, new);
    if (r < 0)
        return r;
    if (rules_object_has_revisions(new))
        return -EINVAL;
    objects = &s->objects[create->kind];
    if (index_get(&objects->by_id, new->meta->id) || index_get(&objects->by_name, new->name))
        return -EEXIST;
    apply_set_meta(s, NULL, new->meta);
    size = apply_packed_size(new);
    if (!apply_has_room(s, 0, size))
        return -EDQUOT;
    r = apply_reserve_named(objects);
    if (r < 0)
        return r;

    create->object = NULL;
    index_insert(&objects->by_id, new);
    index_insert(&objects->by_name, new);
    s->size += size;
    s->version++;
    return 0;
}

int apply_remove_object(struct store *s, const Pb__RemoveObject *remove)
{
    struct named *objects;
    Pb__Object *old;
    int r;

    r = rules_check_kind(remove->kind);
    if (r < 0)
        return r;
    r = rules_check_id(remove->id);
    if (r < 0)
        return r;
    objects = &s->objects[remove->kind];
    old = index_get(&objects->by_id, remove->id);
    if (!old)
        return -ENOENT;
    if (store_service_granting(s, remove->kind, remove->id))
        return -EBUSY;

    s->size -= apply_packed_size(old);
    index_remove(&objects->by_name, old->name);
    index_remove(&objects->by_id, remove->id);
    erasing_message_free(&old->base);
    s->version++;
    return 0;
}
