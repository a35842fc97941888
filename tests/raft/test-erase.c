/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a replica is closed no command is left in the memory of the process. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "toy.h"

#define PIECE (1024 * 1024)

/* The marker is only ever written to memory by those who are tested. */
static unsigned char needle(unsigned i)
{
    return (unsigned char) (i * 73 + 41);
}

static bool found_at(const unsigned char *p)
{
    for (unsigned i = 0; i < 24; i++)
        if (p[i] != needle(i))
            return false;
    return true;
}

static unsigned scan(int mem, unsigned long from, unsigned long to, const unsigned char *own)
{
    static unsigned char piece[PIECE + 24];
    unsigned found = 0;

    for (unsigned long at = from; at < to; at += PIECE) {
        ssize_t n = pread(mem, piece, to - at < sizeof(piece) ? to - at : sizeof(piece), (off_t) at);

        for (ssize_t i = 0; i + 24 <= n; i++)
            found += piece[i] == needle(0) && found_at(piece + i) && (const unsigned char *) (at + (unsigned long) i) != own;
    }
    explicit_bzero(piece, sizeof(piece));
    return found;
}

static unsigned count(const unsigned char *own)
{
    _cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned long from, to;
    unsigned found = 0;
    char line[600];

    CHECK(maps && mem >= 0);
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx rw", &from, &to) == 2 && strstr(line, " rw") && to - from < 1UL << 30 && !strstr(line, "[stack"))
            found += scan(mem, from, to, own);
    (void) close(mem);
    return found;
}

static void on_result(_unused_ void *data, int result)
{
    CHECK_OK(result);
}

int main(void)
{
    static unsigned char command[256];
    struct world w;

    world_init(&w);
    w.config.snapshot_threshold = 20;
    CHECK_OK(world_open(&w));
    for (unsigned i = 0; i < 24; i++)
        command[8 + i] = needle(i);
    for (unsigned i = 0; i < 90; i++) {
        CHECK_OK(replica_propose(w.replica, command, sizeof(command), on_result, NULL));
        if (i % 30 == 29)
            CHECK_OK(world_barrier(&w));
    }
    CHECK(count(command + 8) > 0); /* the log is in memory, or this looks in the wrong place */
    world_close(&w);
    CHECK(count(command + 8) == 0);
    CHECK_OK(world_open(&w));
    CHECK(count(command + 8) > 0);
    world_close(&w);
    CHECK(count(command + 8) == 0);
    world_done(&w, true);
    return 0;
}
