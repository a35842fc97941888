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
    test_missing();
    return 0;
}
