/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On a disk that is full, in a mount namespace of its own. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "cluster.h"

#define MOUNT "/tmp"
#define PATIENCE 2500 /* ms */

static void skip(const char *what)
{
    (void) printf("skipped: %s: %s\n", what, strerror(errno));
    exit(77);
}

static void enter(const char *size)
{
    char map[64], options[64];
    uid_t uid = getuid();
    int fd;

    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0)
        skip("unshare");
    if (uid != 0) {
        fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
        (void) snprintf(map, sizeof(map), "0 %u 1", uid);
        if (fd < 0 || write(fd, map, strlen(map)) < 0)
            skip("uid_map");
        (void) close(fd);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL) /* EINVAL: in a chroot */
        skip("mount");
    (void) snprintf(options, sizeof(options), "size=%s", size);
    if (mount("tmpfs", MOUNT, "tmpfs", 0, options) < 0)
        skip("tmpfs");
    (void) setenv("TMPDIR", MOUNT, 1);
}

static void fill(void)
{
    static const char zeros[4096];
    int fd = open(MOUNT "/filler", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        continue;
    CHECK(errno == ENOSPC);
    (void) close(fd);
}

static int timed_add(struct world *w, uint64_t number)
{
    uint64_t begin = uv_hrtime();
    int r = world_add(w, number, 64 * 1024);

    CHECK((uv_hrtime() - begin) / 1000000 < PATIENCE);
    return r;
}

static uint64_t add_until_full(struct world *w, uint64_t n)
{
    int r;

    while ((r = timed_add(w, n + 1)) == 7)
        CHECK(++n < 10000);
    CHECK(r == -ENOSPC);
    for (unsigned i = 0; i < 3; i++)
        CHECK(timed_add(w, n + 1) == -ENOSPC);
    CHECK(!replica_failure(w->replica) && toy_is(&w->toy, 1, n));
    CHECK_OK(world_barrier(w));
    return n;
}

static uint64_t add_again(struct world *w, uint64_t n)
{
    uint64_t begin = uv_hrtime();

    CHECK(unlink(MOUNT "/filler") == 0);
    while (timed_add(w, n + 1) != 7)
        CHECK((uv_hrtime() - begin) / 1000000 < PATIENCE);
    (void) printf("works again after %.0f ms\n", (double) (uv_hrtime() - begin) / 1e6);
    return n + 1;
}

static void open_ok(struct world *w)
{
    if (world_open(w) < 0) {
        (void) fprintf(stderr, "%s\n", w->error.text);
        exit(1);
    }
    CHECK_OK(world_barrier(w));
}

static void alone(void)
{
    uint64_t n = 0;
    struct world w;

    world_init(&w);
    open_ok(&w);
    while (n < 10)
        CHECK(timed_add(&w, ++n) == 7);
    fill();
    n = add_until_full(&w, n);
    n = add_again(&w, n);
    fill();
    n = add_until_full(&w, n);
    world_close(&w);
    fill(); /* also what the close has given back */

    for (unsigned i = 0; i < 3; i++) { /* to start, and to read, works without any room */
        open_ok(&w);
        CHECK(toy_is(&w.toy, 1, n));
        CHECK(timed_add(&w, n + 1) == -ENOSPC);
        if (i < 2)
            world_close(&w);
        fill();
    }
    CHECK(world_rewrite(&w) == -ENOSPC);
    n = add_again(&w, n);
    for (unsigned i = 0; i < 20; i++)
        CHECK(timed_add(&w, ++n) == 7);
    CHECK_OK(world_rewrite(&w));
    world_close(&w);
    open_ok(&w);
    CHECK(toy_is(&w.toy, 1, n));
    world_done(&w, true);
}

static void move_to_mount(struct cluster *c, size_t i)
{
    struct node *node = &c->nodes[i];

    CHECK(symlink(MOUNT "/node", node->folder) < 0 && errno == EEXIST);
    remove_folder(node->base);
    CHECK(mkdir(MOUNT "/node", 0700) == 0 && symlink(MOUNT "/node", node->base) == 0);
    CHECK_OK(replica_create(&node->config, &node->error));
}

/* One of three has no room: the two others go on, and it catches up. A leader that has none hands over. */
static void one_of_three(void)
{
    struct cluster c;
    uint64_t next = 1;
    int r;

    (void) setenv("TMPDIR", "/var/tmp", 1);
    cluster_init(&c, 3, 300, 1000);
    move_to_mount(&c, 2);
    cluster_form(&c);
    cluster_add_many(&c, 0, next, 100, 64);
    fill();
    for (next = 101; next < 1101; next += 100)
        cluster_add_many(&c, 0, next, 100, 16384);
    CHECK(replica_applied(c.nodes[2].replica) < replica_applied(c.nodes[0].replica));
    cluster_kill(&c, 1); /* two are a majority, but one of them is behind and full */
    CHECK_OK(cluster_open(&c, 1));
    cluster_add_many(&c, cluster_leader(&c), next, 100, 1024);
    next += 100;
    CHECK(unlink(MOUNT "/filler") == 0);
    cluster_settle(&c);
    CHECK(toy_is(&c.nodes[2].toy, 1, next - 1));

    r = cluster_transfer(&c, cluster_leader(&c), 3);
    CHECK(r == 0 && cluster_leader(&c) == 2);
    fill();
    for (unsigned i = 0; replica_is_leader(c.nodes[2].replica); i++) {
        CHECK(i < 10000);
        if (cluster_add(&c, 2, next, 65536) == 7)
            next++;
        fill();
        cluster_turn(&c);
    }
    CHECK(!replica_failure(c.nodes[2].replica));
    r = 0;
    for (unsigned i = 0; i < 50 && r != 7; i++)
        r = cluster_add(&c, cluster_leader(&c), UINT64_MAX - 1, 1024);
    CHECK(r == 7);
    CHECK(unlink(MOUNT "/filler") == 0);
    cluster_settle(&c);
    cluster_done(&c);
}

int main(void)
{
    enter("48m");
    alone();
    one_of_three();
    return 0;
}
