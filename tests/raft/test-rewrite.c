/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "../test.h"
#include "raft/folder.h"
#include "toy.h"

#define PROPOSALS 12000

static void open_ok(struct world *w)
{
    if (world_open(w) < 0) {
        (void) fprintf(stderr, "%s\n", w->error.text);
        exit(1);
    }
}

static void test_idle(void)
{
    uint64_t begin;
    struct world w;

    world_init(&w);
    open_ok(&w);
    world_add_many(&w, 1, 500, 8, 128);
    CHECK(folder_only_key(w.folder, 1) == 0 && folder_only_key(w.folder, 2) == 1);
    for (uint32_t key = 2; key <= 5; key++) {
        world_keys(&w, key - 1, key, key);
        CHECK(folder_only_key(w.folder, key) == 1);
        begin = uv_hrtime();
        CHECK_OK(world_rewrite(&w));
        (void) printf("rewrite: %.1f ms\n", (double) (uv_hrtime() - begin) / 1e6);
        CHECK(folder_only_key(w.folder, key) == 0 && folder_only_key(w.folder, key - 1) == 1);
        world_keys(&w, key, key, key); /* the old one is gone */
        if (key % 2) {
            world_close(&w);
            open_ok(&w);
        }
        CHECK(toy_is(&w.toy, 1, 500 + key - 2));
        CHECK(world_add(&w, 500 + key - 1, 64) == 7);
    }
    CHECK_OK(world_rewrite(&w)); /* with nothing to do */
    world_done(&w, true);
}

static int rewritten = INT32_MIN;
static unsigned left = PROPOSALS, flying;
static uint64_t number;

static void propose(struct world *w);

static void on_proposed(void *data, int result)
{
    CHECK_OK(result);
    flying--;
    propose(data);
}

static void propose(struct world *w)
{
    uint64_t command[16] = { number + 1 };

    if (left == 0)
        return;
    left--;
    number++;
    flying++;
    CHECK_OK(replica_propose(w->replica, command, sizeof(command), on_proposed, w));
}

static void on_rewritten(void *data, int result)
{
    struct world *w = data;

    rewritten = result;
    CHECK(folder_only_key(w->folder, 2) == 0);
    (void) printf("rewritten after %llu of %u proposals\n", (unsigned long long) number, PROPOSALS);
}

static void test_busy(void)
{
    struct world w;

    world_init(&w);
    w.config.snapshot_threshold = 400;
    open_ok(&w);
    for (unsigned i = 0; i < 16; i++)
        propose(&w);
    while (left > PROPOSALS * 3 / 4)
        (void) uv_run(&w.loop, UV_RUN_ONCE);
    world_keys(&w, 1, 2, 2);
    CHECK_OK(replica_rewrite(w.replica, on_rewritten, &w));
    CHECK(replica_rewrite(w.replica, on_rewritten, &w) == -EALREADY);
    while (flying > 0 || rewritten == INT32_MIN)
        (void) uv_run(&w.loop, UV_RUN_ONCE);
    CHECK_OK(rewritten);
    world_keys(&w, 2, 2, 2);
    CHECK(toy_is(&w.toy, 1, PROPOSALS));
    world_close(&w);
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, PROPOSALS));
    world_add_many(&w, PROPOSALS + 1, 1000, 16, 128);
    world_close(&w);
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, PROPOSALS + 1000));
    world_done(&w, true);
}

static void on_ended(void *data, int result)
{
    *(int *) data = result;
}

/* At each moment of a rewrite the process may close, or end without closing. */
static void test_interrupted(void)
{
    struct world w, other;
    char copy[300];

    world_init(&w);
    w.config.segment_size = 256 * 1024;
    open_ok(&w);
    world_add_many(&w, 1, 100, 8, 128);
    for (unsigned turns = 0; turns < 30; turns++) {
        int result = INT32_MIN;

        world_keys(&w, 1, 2, turns % 2 ? 2 : 1);
        CHECK_OK(replica_rewrite(w.replica, on_ended, &result));
        for (unsigned i = 0; i < turns && result == INT32_MIN; i++)
            (void) uv_run(&w.loop, UV_RUN_ONCE);
        (void) snprintf(copy, sizeof(copy), "%s-copy", w.base);
        copy_running(w.base, copy);
        world_again(&other, copy);
        world_keys(&other, 1, 2, 1);
        open_ok(&other);
        CHECK(toy_is(&other.toy, 1, 100));
        world_done(&other, true);
        world_close(&w);
        CHECK(result == 0 || result == -ECANCELED);
        open_ok(&w);
        CHECK(toy_is(&w.toy, 1, 100));
    }
    world_done(&w, true);
}

int main(void)
{
    test_idle();
    test_busy();
    test_interrupted();
    return 0;
}
