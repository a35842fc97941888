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
    char id[STORE_ID_LEN + 1];

    CHECK_OK(fixture_put_cluster(s, fixture_id('a', 1, id), 0, "0123456789abcdef0123456789abcdef", true));
    CHECK_OK(fixture_put_node(s, id, 0, "m1"));
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, fixture_id('b', 2, id), "other", "data", 4));
    CHECK_OK(fixture_create(s, PB__KIND__CONFIG, id, "other", "data", 4));
    base = fixture_image(s);
}

static void try(const uint8_t *data, size_t size)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    int r;

    CHECK_OK(store_restore(s, base.data, base.size));
    r = store_apply(s, data, size);
    CHECK(r <= 0 && r != -ENOMEM);
    if (r < 0)
        CHECK(fixture_is(s, &base));
    else {
        _cleanup_(image_done) struct image after = fixture_image(s);

        CHECK(!image_same(&after, &base));
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
