/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restores a hostile snapshot, as it is and behind a good header; what is accepted must be a state like any other. */
#include <errno.h>

#include "../test.h"
#include "fixture.h"
#include "fuzz-frame.h"
#include "store/service.h"

static void walk(const struct store *s)
{
    const Pb__Object *found;

    for (size_t i = 0; i < store_n_nodes(s); i++) {
        const Pb__Node *node = store_node_at(s, i);

        CHECK(store_node(s, node->meta->id) == node && !store_is_removed(s, node->meta->id));
        CHECK(node->raft_id == 0 ? node->role != PB__ROLE__MANAGER : store_node_of_raft_id(s, node->raft_id) == node);
    }
    for (int kind = PB__KIND__SECRET; kind <= PB__KIND__CONFIG; kind++)
        for (size_t i = 0; i < store_n_objects(s, kind); i++) {
            CHECK_OK(store_find_object(s, kind, store_object_at(s, kind, i)->meta->id, &found));
            CHECK(found == store_object_at(s, kind, i) && store_name_is_valid(found->name));
        }
}

static void walk_services(const struct store *s)
{
    const Pb__Service *found;

    for (size_t i = 0; i < store_n_services(s); i++) {
        const Pb__Service *service = store_service_at(s, i);

        CHECK_OK(store_find_service(s, service->meta->id, &found));
        CHECK(found == service && service_unit_is_valid(service->unit));
        for (size_t k = 0; k < service->n_grants; k++) {
            const Pb__Object *object = store_object(s, service->grants[k]->kind, service->grants[k]->object_id);

            CHECK(object && fixture_remove((struct store *) s, service->grants[k]->kind, object->meta->id) == -EBUSY);
            for (size_t n = 0; n < store_n_nodes(s); n++)
                CHECK(store_object_data(object, service_revision(service, object, store_node_at(s, n)->meta->id)));
        }
    }
}

static void try(const uint8_t *data, size_t size)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    char id[STORE_ID_LEN + 1];
    int r;

    CHECK_OK(fixture_put_node(s, fixture_id('z', 9, id), 0, "before"));
    r = store_restore(s, data, size);
    CHECK(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
    if (r < 0) {
        CHECK(store_n_nodes(s) == 1 && store_node(s, id));
        return;
    }
    _cleanup_(image_done) struct image image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
    walk(s);
    walk_services(s);
    for (size_t i = 0; i < store_n_nodes(s);) {
        memcpy(id, store_node_at(s, i)->meta->id, sizeof(id));
        if (store_node_at(s, i)->role == PB__ROLE__MANAGER) {
            CHECK(fixture_remove_node(s, id, INT64_MAX, 1) == -EBUSY);
            i++;
        } else {
            CHECK_OK(fixture_remove_node(s, id, INT64_MAX, 1));
            CHECK(store_is_removed(s, id) && !store_usage(s, id));
        }
    }
    CHECK(store_n_nodes(s) == store_n_managers(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *frame;
    size_t n;

    try(data, size);
    frame = fuzz_frame("sws", size > 8 ? data + 8 : data, size > 8 ? size - 8 : size, &n);
    try(frame, n);
    free(frame);
    return 0;
}
