/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who connects: what the address says, and what the cgroup tree says of it. */
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "credentials/peer_cgroup.h"
#include "credentials/peer_name.h"
#include "test.h"

static int parse(const char *text, struct peer_name *ret)
{
    char path[1024];
    size_t n = strlen(text);

    path[0] = '\0';
    memcpy(path + 1, text, n);
    return peer_name_parse(path, n + 1, ret);
}

static void check_name(const char *text, const char *unit, const char *credential)
{
    struct peer_name name;

    CHECK_OK(parse(text, &name));
    CHECK(strcmp(name.unit, unit) == 0 && strcmp(name.credential, credential) == 0);
}

static void test_names(void)
{
    static const char *const bad[] = {
        "", "unit", "/unit/a.service/x", "g/unit/a.service/x", "3F/unit/a.service/x", "11112222333344445/unit/a.service/x",
        "1/unit/a.service", "1/unit/a.service/", "1/unit//x", "1/unit/service/x", "1/unit/.service/x", "1/unit/a./x", "1/unit/a b.service/x",
        "1/unit/a.service/x/y", "1/unit/a.service/.", "1/unit/a.service/..", "1/unit/a.service/x:y", "1/unit/a.service/x\n", "1/unit/a.service/\xc3\xa4",
        "1/Unit/a.service/x", "1unit/a.service/x", "1/unit/*.service/x",
    };
    struct peer_name name = { .unit = "kept" };
    char longest[400];

    check_name("3f2a9c0d11e8b7a6/unit/web.service/db-password", "web.service", "db-password");
    check_name("0/unit/web@3.service/a", "web@3.service", "a");
    check_name("f/unit/dev-disk-by\\x2duuid.swap/...", "dev-disk-by\\x2duuid.swap", "...");
    check_name("f/unit/a:b_c.mount/~", "a:b_c.mount", "~");
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(parse(bad[i], &name) == -EINVAL);
    CHECK(strcmp(name.unit, "kept") == 0);
    CHECK(peer_name_parse("", 0, &name) == -EINVAL); /* no address at all */
    CHECK(peer_name_parse("1/unit/a.service/x", 18, &name) == -EINVAL); /* a file */
    CHECK(peer_name_parse("\0001/unit/a.service/x\0y", 22, &name) == -EINVAL);
    (void) snprintf(longest, sizeof(longest), "1/unit/%0247d.service/x", 0);
    CHECK_OK(parse(longest, &name));
    (void) snprintf(longest, sizeof(longest), "1/unit/%0248d.service/x", 0);
    CHECK(parse(longest, &name) == -EMSGSIZE);
}

static char root[] = "/tmp/test-peer-XXXXXX";

/* A cgroup with that text in its list. */
static void put_cgroup(const char *path, const char *processes)
{
    _cleanup_fclose_ FILE *f = NULL;
    char name[512];

    for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
        (void) snprintf(name, sizeof(name), "%s/%.*s", root, slash ? (int) (slash - path) : (int) strlen(path), path);
        CHECK(mkdir(name, 0755) == 0 || errno == EEXIST);
        if (!slash)
            break;
    }
    (void) snprintf(name, sizeof(name), "%s/%s/cgroup.procs", root, path);
    f = fopen(name, "we");
    CHECK(f && fputs(processes, f) >= 0);
}

static void test_cgroups(void)
{
    CHECK(mkdtemp(root));
    put_cgroup("system.slice/web.service", "17\n4711\n18\n");
    put_cgroup("system.slice/system-web.slice/web@3.service", "42\n");
    put_cgroup("system.slice/sub.service/.control", "43\n");
    put_cgroup("system.slice/sub.service/deep/deeper", "44\n");
    put_cgroup("a.slice/a-b.slice/own.service", "45\n");
    put_cgroup("machine.slice/box.service/payload/system.slice/inside.service", "46\n");
    put_cgroup("user.slice/user-0.slice/user@0.service/app.slice/mine.service", "47\n");
    put_cgroup("odd.slice.d/odd.service", "48\n");
    CHECK_OK(peer_cgroup_check(root, "web.service", 4711));
    CHECK_OK(peer_cgroup_check(root, "web.service", 17));
    CHECK(peer_cgroup_check(root, "web.service", 471) == -ESRCH);
    CHECK(peer_cgroup_check(root, "web.service", 42) == -ESRCH);
    CHECK_OK(peer_cgroup_check(root, "web@3.service", 42));
    CHECK(peer_cgroup_check(root, "web@4.service", 42) == -ENOENT);
    CHECK_OK(peer_cgroup_check(root, "sub.service", 43));
    CHECK(peer_cgroup_check(root, "sub.service", 44) == -ESRCH);
    CHECK_OK(peer_cgroup_check(root, "own.service", 45));
    /* of a container, of a user's manager, of what only looks like a slice */
    CHECK(peer_cgroup_check(root, "inside.service", 46) == -ENOENT);
    CHECK(peer_cgroup_check(root, "mine.service", 47) == -ENOENT);
    CHECK(peer_cgroup_check(root, "odd.service", 48) == -ENOENT);
    CHECK(peer_cgroup_check("/nowhere", "web.service", 17) == -ENOENT);
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *f _unused_)
{
    return remove(path);
}

int main(void)
{
    test_names();
    test_cgroups();
    CHECK_OK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS));
    return 0;
}
