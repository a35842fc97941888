/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A write to the log fails: the replica stops, tells why, can be closed, and what was acknowledged is there. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "../test.h"
#include "toy.h"

static void limit(rlim_t size)
{
    struct rlimit l = { size, RLIM_INFINITY };

    CHECK(setrlimit(RLIMIT_FSIZE, &l) == 0);
}

int main(void)
{
    int waiting[3];
    uint64_t begin, command = 7;
    struct world w;

    (void) signal(SIGXFSZ, SIG_IGN);
    world_init(&w);
    CHECK_OK(world_open(&w));
    world_add_many(&w, 1, 200, 4, 256);
    limit(8192);
    begin = uv_hrtime();
    for (unsigned i = 0; i < 3; i++)
        CHECK_OK(replica_propose(w.replica, &command, 8, NULL, &waiting[i]));
    CHECK(world_add(&w, 201, 256) == -ECANCELED);
    CHECK((uv_hrtime() - begin) / 1000000 < 500);
    CHECK(w.changes == 1 && !replica_is_leader(w.replica));
    (void) printf("%s\n", replica_failure(w.replica));
    CHECK(strstr(replica_failure(w.replica), w.folder));
    CHECK(world_add(&w, 202, 8) == -ENOTCONN && world_barrier(&w) == -ENOTCONN && world_rewrite(&w) == -ENOTCONN);
    for (unsigned i = 0; i < 10; i++) /* ticks go on, retries do not come */
        (void) uv_run(&w.loop, UV_RUN_ONCE);
    limit(RLIM_INFINITY);
    world_close(&w);
    CHECK_OK(world_open(&w));
    CHECK_OK(world_barrier(&w));
    CHECK(toy_is(&w.toy, 1, 200));
    world_add_many(&w, 201, 10, 4, 256);
    world_done(&w, true);
    return 0;
}
