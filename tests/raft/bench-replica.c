/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proposals per second beside what the disk can do: bench-replica [SEGMENT-KIB [SIZE [THRESHOLD]]] */
#include <fcntl.h>
#include <unistd.h>

#include "../test.h"
#include "toy.h"

#define SECONDS 2.0
#define CHUNK 500

static double now(void)
{
    return (double) uv_hrtime() / 1e9;
}

static double disk(const struct world *w)
{
    static char block[4096];
    char path[600];
    double begin, n = 0;
    int fd;

    (void) snprintf(path, sizeof(path), "%s/disk", w->base);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && posix_fallocate(fd, 0, 64 * 4096) == 0 && fsync(fd) == 0);
    for (begin = now(); now() - begin < SECONDS; n++)
        CHECK(pwrite(fd, block, sizeof(block), (off_t) ((unsigned) n % 64 * sizeof(block))) == sizeof(block) && fdatasync(fd) == 0);
    (void) close(fd);
    return n / (now() - begin);
}

static double proposals(struct world *w, unsigned in_flight, size_t size)
{
    double begin = now(), n = 0;

    for (; now() - begin < SECONDS; n += CHUNK)
        world_add_many(w, 1, CHUNK, in_flight, size);
    return n / (now() - begin);
}

int main(int argc, char *argv[])
{
    size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : 256;
    double begin;
    struct world w;

    world_init(&w);
    w.config.segment_size = argc > 1 ? 1024 * strtoul(argv[1], NULL, 10) : 0;
    w.config.snapshot_threshold = argc > 3 ? (unsigned) strtoul(argv[3], NULL, 10) : 0;
    CHECK_OK(world_open(&w));
    (void) printf("fdatasync of 4 KiB: %.0f/s\n", disk(&w));
    (void) printf("proposals of %zu bytes, 1 in flight: %.0f/s\n", size, proposals(&w, 1, size));
    (void) printf("proposals of %zu bytes, 16 in flight: %.0f/s\n", size, proposals(&w, 16, size));
    (void) printf("fdatasync of 4 KiB: %.0f/s\n", disk(&w));
    world_close(&w);
    begin = now();
    CHECK_OK(world_open(&w));
    (void) printf("reopened with %zu entries in %.1f ms\n", w.toy.n, (now() - begin) * 1e3);
    world_done(&w, true);
    return 0;
}
