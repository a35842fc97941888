/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference's acceptance list where it concerns data keys: test-rotation NAME. libraft calls the uv_fs_open() that is here, so that a disk
 * can refuse snapshots and nothing else. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>

#include "../test.h"
#include "raft/folder.h"
#include "toy.h"

#define ROTATIONS 30
#define NAMES_MAX 64
#define NAME_SIZE 256

static bool no_snapshots;
static unsigned refused; /* snapshots; by a worker's thread */

int uv_fs_open(uv_loop_t *loop, uv_fs_t *req, const char *path, int flags, int mode, uv_fs_cb cb)
{
    typedef int (*open_fn)(uv_loop_t *, uv_fs_t *, const char *, int, int, uv_fs_cb);
    open_fn next = (open_fn) (uintptr_t) dlsym(RTLD_NEXT, "uv_fs_open");
    bool is_snapshot = (flags & O_TMPFILE) == O_TMPFILE || ((flags & O_CREAT) && strstr(path, "snapshot-"));

    if (!__atomic_load_n(&no_snapshots, __ATOMIC_RELAXED) || !is_snapshot)
        return next(loop, req, path, flags, mode, cb);
    (void) __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
    return UV_EACCES;
}

static void open_ok(struct world *w)
{
    if (world_open(w) < 0) {
        (void) fprintf(stderr, "%s\n", w->error.text);
        exit(1);
    }
}

/* Under key 1 entries and, with snapshots at every 50th, a snapshot; then the same under key 2. */
static void write_under_both(struct world *w)
{
    w->config.snapshot_threshold = 50;
    open_ok(w);
    world_add_many(w, 1, 120, 4, 64);
    world_keys(w, 1, 2, 2);
    world_add_many(w, 121, 20, 4, 64);
    world_close(w);
    CHECK(folder_only_key(w->folder, 1) == 1 && folder_only_key(w->folder, 2) == 1);
}

static void mixed_key_log_needs_both(void)
{
    struct world w;

    world_init(&w);
    write_under_both(&w);
    for (uint32_t key = 1; key <= 2; key++) {
        world_keys(&w, key, key, key);
        CHECK(world_open(&w) == -EBADMSG && strstr(w.error.text, "a key that the key bundle does not hold"));
        toy_done(&w.toy);
    }
    world_keys(&w, 1, 2, 2);
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, 140));
    CHECK_OK(world_rewrite(&w));
    world_close(&w);
    world_keys(&w, 2, 2, 2); /* one is enough from now on */
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, 140));
    world_done(&w, true);
}

static void on_result(void *data, int result)
{
    *(int *) data = result;
}

/* As long as no snapshot can be written the old key stays; then it goes. */
static void rotation_waits_for_a_broken_snapshot_directory(void)
{
    unsigned before;
    int result = 1;
    struct world w;

    world_init(&w);
    open_ok(&w);
    world_add_many(&w, 1, 100, 4, 64);
    world_keys(&w, 1, 2, 2);
    no_snapshots = true;
    CHECK_OK(replica_rewrite(w.replica, on_result, &result));
    while (__atomic_load_n(&refused, __ATOMIC_RELAXED) < 3)
        CHECK(uv_run(&w.loop, UV_RUN_ONCE) && result == 1);
    CHECK(folder_only_key(w.folder, 2) == 1); /* not over, and says so: what is there needs both */
    world_add_many(&w, 101, 10, 1, 64);       /* the swarm goes on meanwhile */
    __atomic_store_n(&no_snapshots, false, __ATOMIC_RELAXED);
    while (result == 1)
        (void) uv_run(&w.loop, UV_RUN_ONCE);
    if (result < 0) /* it gave up before; a later one finds the disk mended */
        CHECK_OK(world_rewrite(&w));
    CHECK(folder_only_key(w.folder, 2) == 0);
    world_close(&w);
    world_keys(&w, 2, 2, 2);
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, 110));
    before = __atomic_load_n(&refused, __ATOMIC_RELAXED);
    CHECK_OK(world_rewrite(&w));
    CHECK(__atomic_load_n(&refused, __ATOMIC_RELAXED) == before);
    world_done(&w, true);
}

/* The process ends in the midst; the next one finishes it. */
static void rotation_resumes(void)
{
    struct world w;

    world_init(&w);
    open_ok(&w);
    world_add_many(&w, 1, 100, 4, 64);
    for (unsigned turns = 0; turns < 12; turns++) {
        int result = 1;

        world_keys(&w, 1, 2, 2);
        CHECK_OK(replica_rewrite(w.replica, on_result, &result));
        for (unsigned i = 0; i < turns && result == 1; i++)
            (void) uv_run(&w.loop, UV_RUN_ONCE);
        world_close(&w);
        open_ok(&w);
        CHECK(toy_is(&w.toy, 1, 100));
    }
    CHECK_OK(world_rewrite(&w));
    world_close(&w);
    world_keys(&w, 2, 2, 2);
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, 100));
    world_done(&w, true);
}

static void thirty_times_rotate_and_restart(void)
{
    struct world w;

    world_init(&w);
    w.config.segment_size = 256 * 1024;
    open_ok(&w);
    for (uint32_t key = 1; key <= ROTATIONS; key++) {
        world_add_many(&w, (uint64_t) (key - 1) * 10 + 1, 10, 4, 64);
        world_keys(&w, key, key + 1, key + 1);
        CHECK_OK(world_rewrite(&w));
        CHECK(folder_only_key(w.folder, key + 1) == 0);
        world_close(&w);
        world_keys(&w, key + 1, key + 1, key + 1);
        open_ok(&w);
        CHECK(toy_is(&w.toy, 1, (size_t) key * 10));
    }
    world_done(&w, true);
}

/* Closed segments and snapshots; such a name is never used again. */
static unsigned list(const char *folder, char ret[static NAMES_MAX][NAME_SIZE])
{
    const struct dirent *entry;
    DIR *d = opendir(folder);
    unsigned n = 0;

    CHECK(d);
    while ((entry = readdir(d)) && n < NAMES_MAX)
        if (entry->d_name[0] == '0' || strncmp(entry->d_name, "snapshot-", 9) == 0)
            (void) snprintf(ret[n++], NAME_SIZE, "%s", entry->d_name);
    (void) closedir(d);
    return n;
}

/* Every segment and snapshot of before is gone, however new it was: in the reference the newest segment stayed. */
static void segments_are_collected(void)
{
    static char before[NAMES_MAX][NAME_SIZE], after[NAMES_MAX][NAME_SIZE];
    unsigned n_before, n_after;
    struct world w;

    world_init(&w);
    w.config.segment_size = 256 * 1024;
    w.config.snapshot_threshold = 50;
    open_ok(&w);
    world_add_many(&w, 1, 400, 8, 4096);
    n_before = list(w.folder, before);
    CHECK(n_before > 5);
    world_keys(&w, 1, 2, 2);
    CHECK_OK(world_rewrite(&w));
    n_after = list(w.folder, after);
    for (unsigned i = 0; i < n_before; i++)
        for (unsigned k = 0; k < n_after; k++)
            CHECK(strcmp(before[i], after[k]) != 0);
    CHECK(n_after > 0 && folder_only_key(w.folder, 2) == 0);
    world_done(&w, true);
}

static const struct {
    const char *name;
    void (*run)(void);
} all[] = {
    { "mixed-key-log-needs-both", mixed_key_log_needs_both },
    { "rotation-waits-for-a-broken-snapshot-directory", rotation_waits_for_a_broken_snapshot_directory },
    { "rotation-resumes", rotation_resumes },
    { "thirty-times-rotate-and-restart", thirty_times_rotate_and_restart },
    { "segments-are-collected", segments_are_collected },
};

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        if (strcmp(all[i].name, argv[1]) == 0) {
            all[i].run();
            return 0;
        }
    (void) fprintf(stderr, "there is no test %s\n", argv[1]);
    return 1;
}
