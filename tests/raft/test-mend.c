/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a crash can leave that raft_uv would refuse, or take for something else. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "raft/folder.h"
#include "raft/highwater.h"
#include "toy.h"

static void in_folder(const struct world *w, const char *name, char out[600])
{
    (void) snprintf(out, 600, "%s/%s", w->folder, name);
}

static void make(const struct world *w, const char *name, off_t zeros, const char *bytes)
{
    char path[600];
    int fd;

    in_folder(w, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    if (bytes)
        CHECK(pwrite(fd, bytes, strlen(bytes), zeros) > 0);
    else
        CHECK(ftruncate(fd, zeros) == 0);
    (void) close(fd);
}

static void open_mended(struct world *w, size_t n)
{
    if (world_open(w) < 0) {
        (void) fprintf(stderr, "%s\n", w->error.text);
        exit(1);
    }
    CHECK_OK(world_barrier(w));
    CHECK(toy_is(&w->toy, 1, n));
}

static void goes_on(struct world *w, size_t n)
{
    world_add_many(w, n + 1, 20, 4, 64);
    world_close(w);
    open_mended(w, n + 20);
    CHECK(!replica_notice(w->replica));
    world_done(w, true);
}

static void start_with(struct world *w, unsigned n)
{
    world_init(w);
    CHECK_OK(world_open(w));
    world_add_many(w, 1, n, 4, 64);
    world_close(w);
}

static void closed_name(const struct world *w, char out[600])
{
    struct folder f;
    int dir = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK_OK(folder_list(dir, &f));
    CHECK(f.n_closed > 0 && f.n_segments == f.n_closed);
    in_folder(w, f.segments[f.n_closed - 1].name, out);
    folder_done(&f);
    (void) close(dir);
}

/* The first write to a segment was torn: its first block is not there, another one is. */
static void test_torn_first_write(void)
{
    struct world w;

    start_with(&w, 30);
    make(&w, "open-1", 4096, "some garbage");
    open_mended(&w, 30);
    CHECK(replica_notice(w.replica) && strstr(replica_notice(w.replica), "open-1"));
    goes_on(&w, 30);
}

static void test_bad_format(void)
{
    struct world w;

    start_with(&w, 30);
    make(&w, "open-1", 0, "some garbage");
    CHECK(world_open(&w) == -EBADMSG && strstr(w.error.text, "open-1"));
    world_done(&w, true);
}

/* An open segment that is filled up to its last 8 bytes, and one with a torn end before an unused one and before a used one. */
static void test_ends(void)
{
    char closed[600], open_1[600];
    struct world w;
    struct stat st;
    off_t size;

    start_with(&w, 30);
    closed_name(&w, closed);
    in_folder(&w, "open-1", open_1);
    CHECK(rename(closed, open_1) == 0 && stat(open_1, &st) == 0);
    size = st.st_size;
    CHECK(truncate(open_1, size + 8) == 0);
    open_mended(&w, 30);
    CHECK(replica_notice(w.replica));
    world_close(&w);

    closed_name(&w, closed);
    CHECK(rename(closed, open_1) == 0);
    make(&w, "open-1", size, "a torn end of the log");
    make(&w, "open-1", size + 65536, NULL);
    make(&w, "open-2", 65536, NULL);
    open_mended(&w, 30);
    CHECK(!replica_notice(w.replica));
    world_close(&w);

    closed_name(&w, closed); /* raft_uv frees twice at this one */
    CHECK(rename(closed, open_1) == 0);
    make(&w, "open-1", size, "torn");
    open_mended(&w, 30);
    CHECK(replica_notice(w.replica));
    world_close(&w);

    closed_name(&w, closed);
    CHECK(rename(closed, open_1) == 0);
    make(&w, "open-1", size, "torn");
    make(&w, "open-2", 0, "used");
    CHECK(world_open(&w) == -EBADMSG && strstr(w.error.text, "open-1"));
    world_done(&w, true);
}

/* A snapshot was installed over an older log and the process died before the log was removed. */
static void test_superseded(bool prepared)
{
    const struct highwater_mark mark = { 20, 0, 1, 0 };
    char old[300], command[1400];
    struct world w;

    start_with(&w, 30);
    w.config.snapshot_threshold = 60;
    (void) snprintf(old, sizeof(old), "%s-old", w.base);
    copy_folder(w.folder, old);
    CHECK_OK(world_open(&w));
    world_add_many(&w, 31, 30, 1, 64);
    CHECK_OK(world_rewrite(&w)); /* takes snapshots */
    world_close(&w);
    (void) snprintf(command, sizeof(command), "rm -f %s/0* && cp %s/0* %s/", w.folder, old, w.folder);
    CHECK(system(command) == 0);
    CHECK(unlink(w.highwater) == 0);
    CHECK_OK(highwater_create(w.highwater, &mark, NULL));
    if (prepared)
        make(&w, "open-1", 65536, NULL);
    open_mended(&w, 60);
    CHECK(replica_notice(w.replica));
    CHECK_OK(world_rewrite(&w)); /* removes what was set aside */
    (void) snprintf(command, sizeof(command), "! ls %s/aside-* 2>/dev/null", w.folder);
    CHECK(system(command) == 0);
    remove_folder(old);
    goes_on(&w, 60);
}

static void set_mark(const struct world *w, uint64_t index)
{
    struct highwater_mark mark;
    struct highwater *h;

    CHECK_OK(highwater_open(w->highwater, &h, NULL));
    mark = *highwater_get(h);
    mark.index = index;
    mark.term = 0;
    CHECK_OK(highwater_set(h, &mark));
    highwater_free(h);
}

static void run_in(const struct world *w, const char *command)
{
    char line[1600];

    (void) snprintf(line, sizeof(line), "cd %s && %s", w->folder, command);
    CHECK(system(line) == 0);
}

/* Segments 1-1, 2-11, 12-21, … of ten numbers each. */
static void start_with_segments(struct world *w, unsigned n)
{
    world_init(w);
    for (unsigned i = 0; i < n; i++) {
        CHECK_OK(world_open(w));
        CHECK_OK(world_barrier(w));
        world_add_many(w, w->toy.n + 1, 10, 4, 64);
        world_close(w);
    }
}

/* A truncation at 17 that ended between writing the shorter segment and removing the longer one, or before the next one was removed. */
static void test_truncation(void)
{
    struct world w;

    start_with_segments(&w, 3);
    run_in(&w, "head -c 8 0*02-0*11 > x && tail -qc +9 0*02-0*11 0*12-0*21 >> x && cp x 0000000000000002-0000000000000021 && "
               "rm x 0*12-0*21 && ls | grep -c 0000000000000002 | grep -q 2");
    set_mark(&w, 11);
    open_mended(&w, 30);
    CHECK(replica_notice(w.replica) && strstr(replica_notice(w.replica), "set aside 0000000000000002-0000000000000011"));
    goes_on(&w, 30);

    start_with_segments(&w, 4);
    run_in(&w, "rm 0*12-0*21");
    CHECK(world_open(&w) == -EBADMSG && strstr(w.error.text, "the entries before it are missing"));
    set_mark(&w, 12);
    CHECK(world_open(&w) == -EBADMSG);
    set_mark(&w, 11);
    open_mended(&w, 10);
    CHECK(replica_notice(w.replica) && strstr(replica_notice(w.replica), "2 files in all"));
    goes_on(&w, 10);
}

/* A snapshot of another history was stored over the log, which goes beyond it, and that was not removed, or not all of it. */
static void test_other_history(bool partly)
{
    char other[300], command[1200];
    struct world w;
    struct folder_state state = { 0 };
    const struct highwater_mark any = { 0 };
    uint64_t index;

    start_with_segments(&w, 3);
    (void) snprintf(other, sizeof(other), "%s-other", w.base);
    copy_folder(w.base, other);
    for (unsigned i = 0; i < 12; i++) { /* the log that is to be replaced */
        CHECK_OK(world_open(&w));
        CHECK_OK(world_barrier(&w));
        world_add_many(&w, w.toy.n + 1, 10, 4, 64);
        world_close(&w);
    }
    (void) snprintf(command, sizeof(command), "mv %s %s-old && mv %s %s", w.base, w.base, other, w.base);
    CHECK(system(command) == 0);
    w.config.address = "elsewhere";
    CHECK_OK(replica_recover(&w.config, &w.error));
    CHECK_OK(world_open(&w));
    CHECK_OK(world_barrier(&w));
    world_add_many(&w, 31, 10, 4, 64);
    CHECK_OK(world_rewrite(&w));
    world_close(&w);
    CHECK_OK(folder_check(w.folder, w.keyring, &any, &state, NULL));
    index = state.snapshot_index;
    folder_state_done(&state);
    CHECK(index > 40 && index < 100);
    (void) snprintf(command, sizeof(command), "rm 0* && cp %s-old/raft/0* . %s", w.base,
                    partly ? "&& rm -f 00000000000000[0-5]* 000000000000006* 000000000000007*" : "");
    run_in(&w, command);
    set_mark(&w, 150);
    CHECK(world_open(&w) == -EBADMSG);
    set_mark(&w, index);
    open_mended(&w, 40);
    CHECK(replica_notice(w.replica));
    (void) snprintf(command, sizeof(command), "%s-old", w.base);
    remove_folder(command);
    goes_on(&w, 40);
}

static void test_missing(void)
{
    char closed[600];
    struct world w;

    start_with(&w, 30);
    CHECK_OK(world_open(&w));
    world_add_many(&w, 31, 30, 4, 64);
    world_close(&w);
    closed_name(&w, closed);
    CHECK(unlink(closed) == 0);
    CHECK(world_open(&w) == -EBADMSG && strstr(w.error.text, "ends at entry 31, but entries up to 61"));
    world_done(&w, true);
}

int main(void)
{
    test_torn_first_write();
    test_bad_format();
    test_ends();
    test_superseded(false);
    test_superseded(true);
    test_truncation();
    test_other_history(false);
    test_other_history(true);
    test_missing();
    return 0;
}
