/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "toy.h"

static void fails(struct world *w, int code, const char *text)
{
    int r = world_open(w);

    if (r != code || !strstr(w->error.text, text)) {
        (void) fprintf(stderr, "got %d \"%s\", not %d with \"%s\"\n", r, w->error.text, code, text);
        exit(1);
    }
}

static void open_ok(struct world *w)
{
    int r = world_open(w);

    if (r < 0) {
        (void) fprintf(stderr, "open: %d %s\n", r, w->error.text);
        exit(1);
    }
    CHECK_OK(world_barrier(w));
}

static void test_proposals(void)
{
    struct world w;

    world_init(&w);
    CHECK(replica_bootstrap(&w.config, &w.error) == -EEXIST);
    w.config.snapshot_threshold = 500;
    open_ok(&w);
    CHECK(replica_is_leader(w.replica) && !replica_failure(w.replica) && !replica_notice(w.replica));
    CHECK(world_add(&w, 100, 8) == 7);
    world_add_many(&w, 101, 2999, 16, 64);
    CHECK(world_add(&w, UINT64_MAX, 8) == -ESTALE);
    CHECK(w.toy.n == 3001);
    world_close(&w);
    open_ok(&w);
    CHECK(w.toy.n == 3001 && w.toy.numbers[3000] == UINT64_MAX);
    w.toy.n--;
    CHECK(toy_is(&w.toy, 100, 3000));
    world_done(&w, true);
}

static void test_limits(void)
{
    static unsigned char large[REPLICA_COMMAND_MAX + 8];
    struct world w;
    int result[REPLICA_IN_FLIGHT_MAX];

    world_init(&w);
    open_ok(&w);
    CHECK(world_add(&w, 1, REPLICA_COMMAND_MAX) == 7);
    CHECK(replica_propose(w.replica, large, sizeof(large), NULL, NULL) == -EMSGSIZE);
    CHECK(replica_propose(w.replica, large, 0, NULL, NULL) == -EINVAL);
    CHECK(replica_propose(w.replica, large, 9, NULL, NULL) == -EINVAL);
    for (unsigned i = 0; i < REPLICA_IN_FLIGHT_MAX; i++)
        CHECK_OK(replica_propose(w.replica, large, 8, NULL, &result[i]));
    CHECK(replica_propose(w.replica, large, 8, NULL, NULL) == -EAGAIN);
    CHECK_OK(world_barrier(&w));
    CHECK(w.toy.n == 1 + REPLICA_IN_FLIGHT_MAX);
    /* 36 MiB at once, far more than the segments that are ready */
    world_add_many(&w, 2, 64, REPLICA_IN_FLIGHT_MAX, REPLICA_COMMAND_MAX);
    CHECK(w.toy.n == 65 + REPLICA_IN_FLIGHT_MAX);
    world_close(&w);
    open_ok(&w);
    CHECK(w.toy.n == 65 + REPLICA_IN_FLIGHT_MAX);
    world_done(&w, true);
}

static unsigned canceled, answered;

static void on_canceled(_unused_ void *data, int result)
{
    answered++;
    canceled += result == -ECANCELED;
}

static void on_closed(void *data)
{
    CHECK(answered == 10);
    *(bool *) data = true;
}

static void test_close_with_proposals(void)
{
    uint64_t command = 1;
    bool closed = false;
    struct world w;

    world_init(&w);
    open_ok(&w);
    for (unsigned i = 0; i < 10; i++)
        CHECK_OK(replica_propose(w.replica, &command, 8, on_canceled, NULL));
    replica_close(w.replica, on_closed, &closed);
    CHECK(replica_propose(w.replica, &command, 8, on_canceled, NULL) == -ENOTCONN);
    CHECK(replica_barrier(w.replica, on_canceled, NULL) == -ENOTCONN);
    w.replica = NULL;
    (void) uv_run(&w.loop, UV_RUN_DEFAULT);
    CHECK(closed && canceled > 0);
    open_ok(&w);
    CHECK(w.toy.n + canceled >= 10 && w.toy.n <= 10);
    world_done(&w, true);
}

static void test_out_of_memory(void)
{
    struct world w;

    world_init(&w);
    open_ok(&w);
    world_add_many(&w, 1, 20, 4, 64);
    w.toy.applies = 1;
    CHECK(world_add(&w, 21, 8) == -ECANCELED);
    CHECK(w.changes == 1 && replica_failure(w.replica) && !replica_is_leader(w.replica));
    CHECK(world_add(&w, 22, 8) == -ENOTCONN);
    world_close(&w);
    w.toy.applies = 5;
    fails(&w, -ENOMEM, "memory");
    w.toy.applies = 0;
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, 21));
    world_done(&w, true);
}

static void test_other_keys(void)
{
    struct world w;

    world_init(&w);
    open_ok(&w);
    world_add_many(&w, 1, 100, 4, 64);
    world_close(&w);
    world_keys(&w, 2, 3, 2);
    fails(&w, -EBADMSG, "a key that the key bundle does not hold");
    world_keys(&w, 1, 3, 3);
    open_ok(&w);
    world_add_many(&w, 101, 100, 4, 64);
    world_close(&w);
    world_keys(&w, 1, 1, 1);
    fails(&w, -EBADMSG, "a key that the key bundle does not hold");
    world_keys(&w, 1, 3, 1);
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, 200));
    world_done(&w, true);
}

static void test_lost_files(void)
{
    char path[600];
    struct world w;

    world_init(&w);
    open_ok(&w);
    world_add_many(&w, 1, 100, 4, 64);
    world_close(&w);
    (void) snprintf(path, sizeof(path), "%s/old", w.base);
    CHECK(rename(w.highwater, path) == 0);
    fails(&w, -EBADMSG, "highwater is missing");
    CHECK(rename(path, w.highwater) == 0);
    CHECK(rename(w.folder, path) == 0);
    fails(&w, -EBADMSG, "raft");
    CHECK(mkdir(w.folder, 0700) == 0);
    fails(&w, -EBADMSG, "ends at entry 0, but entries up to 101 were stored");
    CHECK(rmdir(w.folder) == 0);
    CHECK(rename(path, w.folder) == 0);
    open_ok(&w);
    world_done(&w, true);
}

/* The log alone is put back from an older copy. */
static void test_older_copy(void)
{
    char copy[600];
    struct world w;

    world_init(&w);
    open_ok(&w);
    world_add_many(&w, 1, 100, 4, 64);
    world_close(&w);
    (void) snprintf(copy, sizeof(copy), "%s/copy", w.base);
    copy_folder(w.folder, copy);
    open_ok(&w);
    world_add_many(&w, 101, 1, 1, 64);
    world_close(&w);
    remove_folder(w.folder);
    copy_folder(copy, w.folder);
    fails(&w, -EBADMSG, "ends at entry 101, but entries up to 102 were stored");
    world_done(&w, true);
}

/* While the manager runs, the files look as they will after a power cut: open segments, no clean end. */
static void test_copy_of_running(void)
{
    struct world w, other;
    char copy[600];

    world_init(&w);
    w.config.snapshot_threshold = 200;
    open_ok(&w);
    for (unsigned i = 0; i < 5; i++) {
        world_add_many(&w, 1 + i * 150, 150, 8, 256);
        (void) snprintf(copy, sizeof(copy), "%s-copy%u", w.base, i);
        copy_running(w.base, copy);
        world_again(&other, copy);
        open_ok(&other);
        CHECK(toy_is(&other.toy, 1, (i + 1) * 150));
        world_add_many(&other, 1 + (i + 1) * 150, 300, 8, 256);
        world_close(&other);
        open_ok(&other);
        CHECK(toy_is(&other.toy, 1, (i + 3) * 150));
        world_done(&other, true);
    }
    world_done(&w, true);
}

int main(void)
{
    test_proposals();
    test_limits();
    test_close_with_proposals();
    test_out_of_memory();
    test_other_keys();
    test_lost_files();
    test_older_copy();
    test_copy_of_running();
    return 0;
}
