/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bit flipped anywhere in the files: the log is refused, with nothing changed, or everything is there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "toy.h"

#define ENTRIES 130
#define SAMPLES 16
#define FILE_ROOM (512 * 1024)

static unsigned refused, harmless;

static size_t load(const char *path, unsigned char *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return SIZE_MAX;
    n = read(fd, out, FILE_ROOM);
    CHECK(n >= 0 && n < FILE_ROOM);
    (void) close(fd);
    return (size_t) n;
}

static unsigned same_one_way(const char *a, const char *b)
{
    static unsigned char left[FILE_ROOM], right[FILE_ROOM];
    DIR *d = opendir(a);
    struct dirent *entry;
    unsigned differ = 0;

    while (d && (entry = readdir(d))) {
        char from[600], to[600];
        size_t n;

        if (entry->d_type == DT_DIR)
            continue;
        (void) snprintf(from, sizeof(from), "%s/%s", a, entry->d_name);
        (void) snprintf(to, sizeof(to), "%s/%s", b, entry->d_name);
        n = load(from, left);
        if (n != load(to, right) || memcmp(left, right, n) != 0) {
            (void) fprintf(stderr, "%s changed\n", from);
            differ++;
        }
    }
    if (d)
        (void) closedir(d);
    return differ;
}

static bool same(const char *a, const char *b)
{
    return same_one_way(a, b) + same_one_way(b, a) == 0;
}

static void flip(const char *path, size_t at, unsigned bit)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte;

    CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t) at) == 1);
    byte ^= (unsigned char) (1 << bit);
    CHECK(pwrite(fd, &byte, 1, (off_t) at) == 1);
    (void) close(fd);
}

static void try(const char *original, const char *file, size_t at, unsigned bit)
{
    char base[256], before[300], path[600], raft[600], raft_before[600];
    struct world w;
    int r;

    (void) snprintf(base, sizeof(base), "%s-try", original);
    (void) snprintf(before, sizeof(before), "%s-before", original);
    copy_folder(original, base);
    (void) snprintf(path, sizeof(path), "%s/%s", base, file);
    flip(path, at, bit);
    copy_folder(base, before);
    world_again(&w, base);
    w.config.segment_size = 128 * 1024;
    r = world_open(&w);
    if (r == 0) {
        harmless++;
        CHECK_OK(world_barrier(&w));
        if (!toy_is(&w.toy, 1, ENTRIES))
            (void) fprintf(stderr, "%s at %zu bit %u: %zu entries are there\n", file, at, bit, w.toy.n);
        CHECK(toy_is(&w.toy, 1, ENTRIES));
    } else {
        refused++;
        if (r != -EBADMSG && r != -EPROTONOSUPPORT)
            (void) fprintf(stderr, "%s at %zu bit %u: %d %s\n", file, at, bit, r, w.error.text);
        CHECK(r == -EBADMSG || r == -EPROTONOSUPPORT);
        if (!strstr(w.error.text, base) || !(strstr(w.error.text, "restore the") || strstr(w.error.text, "newer version"))) {
            (void) fprintf(stderr, "%s at %zu bit %u: %s\n", file, at, bit, w.error.text);
            exit(1);
        }
        (void) snprintf(raft, sizeof(raft), "%s/raft", base);
        (void) snprintf(raft_before, sizeof(raft_before), "%s/raft", before);
        CHECK(same(base, before) && same(raft, raft_before));
    }
    world_done(&w, true);
    remove_folder(before);
}

static void each_sample(const char *original, const char *file)
{
    static unsigned char content[FILE_ROOM];
    char path[600];
    size_t size, used = 0;

    (void) snprintf(path, sizeof(path), "%s/%s", original, file);
    size = load(path, content);
    for (size_t i = 0; i < size; i++)
        used = content[i] ? i + 1 : used;
    if (size == 0)
        return;
    for (unsigned i = 0; i < SAMPLES; i++) { /* both ends, and in between */
        size_t at = i < 10 ? i * 4 : i < 14 ? used - 1 - (i - 10) * 4 : (size_t) rand() % (used ? used : size);

        if (at < size)
            try(original, file, at, (unsigned) rand() % 8);
    }
    try(original, file, size - 1, 0);
}

static void each_file(const char *original)
{
    char raft[300], name[600];
    struct dirent *entry;
    DIR *d;

    (void) snprintf(raft, sizeof(raft), "%s/raft", original);
    each_sample(original, "highwater");
    d = opendir(raft);
    while (d && (entry = readdir(d)))
        if (entry->d_type != DT_DIR && strcmp(entry->d_name, "ballast") != 0) {
            (void) snprintf(name, sizeof(name), "raft/%s", entry->d_name);
            each_sample(original, name);
        }
    (void) closedir(d);
}

int main(void)
{
    char running[300];
    struct world w;

    srand(7);
    world_init(&w);
    w.config.snapshot_threshold = 50;
    w.config.segment_size = 128 * 1024;
    CHECK_OK(world_open(&w));
    world_add_many(&w, 1, ENTRIES, 4, 128);
    (void) snprintf(running, sizeof(running), "%s-running", w.base);
    copy_running(w.base, running);
    world_done(&w, false);
    each_file(w.base);
    (void) printf("after a clean stop: %u refused, %u harmless\n", refused, harmless);
    CHECK(refused > 50);
    refused = harmless = 0;
    each_file(running);
    (void) printf("after a crash: %u refused, %u harmless\n", refused, harmless);
    CHECK(refused > 50);
    remove_folder(w.base);
    remove_folder(running);
    return 0;
}
