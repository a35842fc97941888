/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Applies a hostile command, as it is and behind a good header, to a store that holds something. */
#include <errno.h>

#include "../test.h"
#include "fixture.h"
#include "fuzz-frame.h"

static struct image base; /* a small state, made once */

static void make_base(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Service *service;
    Pb__Command command;
    char id[STORE_ID_LEN + 1];

    CHECK_OK(fixture_put_cluster(s, fixture_id('a', 1, id), 0, "0123456789abcdef0123456789abcdef", true));
    CHECK_OK(fixture_put_node(s, id, 0, "w1"));
    CHECK_OK(fixture_put_node(s, fixture_id('r', 1, id), 0, "removed"));
    CHECK_OK(fixture_remove_node(s, id, 1000, 1));
    CHECK_OK(fixture_revoke(s, fixture_id('a', 1, id), fixture_digest(1), 2000, 1));
    command = fixture_put_node_command(fixture_manager(fixture_id('m', 1, id), 0, "m1", 1));
    CHECK_OK(fixture_apply(s, &command));
    fixture_reset();
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, fixture_id('a', 1, id), "used", "data", 4));
    service = fixture_service(id, 0, "used", "web@*.service");
    fixture_grant(service, PB__KIND__SECRET, id, "x");
    CHECK_OK(fixture_propose(s, fixture_put_service_command(service)));
    CHECK_OK(fixture_propose(s, fixture_update_command(PB__KIND__SECRET, id, store_object(s, PB__KIND__SECRET, id)->meta->version, "new", 3, 5)));
    command = fixture_put_usage_command(id);
    fixture_use(&command, "web@1.service", "x", PB__KIND__SECRET, id, 0);
    CHECK_OK(fixture_propose(s, command));
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, fixture_id('b', 2, id), "other", "data", 4));
    CHECK_OK(fixture_create(s, PB__KIND__CONFIG, id, "other", "data", 4));
    base = fixture_image(s);
}

static void try(const uint8_t *data, size_t size)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    unsigned changed = 0;
    int r;

    CHECK_OK(store_restore(s, base.data, base.size));
    r = store_apply(s, data, size, &changed);
    CHECK(r <= 0 && r != -ENOMEM);
    CHECK(store_n_managers(s) >= 1);
    if (r < 0)
        CHECK(changed == 0 && fixture_is(s, &base));
    else {
        _cleanup_(image_done) struct image after = fixture_image(s);

        CHECK(changed != 0 && !image_same(&after, &base));
        CHECK_OK(store_restore(t, after.data, after.size));
        CHECK(fixture_is(t, &after));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *frame;
    size_t n;

    if (!base.data)
        make_base();
    try(data, size);
    frame = fuzz_frame("swc", size > 8 ? data + 8 : data, size > 8 ? size - 8 : size, &n);
    try(frame, n);
    free(frame);
    return 0;
}
