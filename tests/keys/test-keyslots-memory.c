/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks through this process's memory for what should have been erased: unlock keys, right and wrong, and the KEK. */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "keys-test.h"

#define MASK 0x5a
#define NEEDLE 24
#define CHUNK (1024 * 1024)

/* The bytes to look for, masked so that they are not found here. */
struct needle {
    unsigned char masked[NEEDLE];
};

static struct needle needle_of(const struct secret *s)
{
    struct needle n;

    for (unsigned i = 0; i < NEEDLE; i++)
        n.masked[i] = s->data[s->size - NEEDLE + i] ^ MASK;
    return n;
}

static unsigned count_in(const unsigned char *p, size_t n, const struct needle *needle)
{
    unsigned found = 0;

    for (size_t at = 0; at + NEEDLE <= n; at++) {
        size_t same = 0;

        while (same < NEEDLE && (p[at + same] ^ MASK) == needle->masked[same])
            same++;
        found += same == NEEDLE;
    }
    return found;
}

/* In every writable mapping but the buffer's own. */
static unsigned count_in_memory(const struct needle *needle)
{
    static unsigned char buffer[CHUNK + NEEDLE];
    _cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
    _cleanup_close_ int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned long begin, end;
    unsigned found = 0;
    char line[512], mode[5];

    CHECK(maps && mem >= 0);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %4s", &begin, &end, mode) != 3 || mode[0] != 'r' || mode[1] != 'w')
            continue;
        for (unsigned long at = begin; at < end; at += CHUNK) {
            ssize_t n;

            memset(buffer, 0, sizeof(buffer)); /* or the last chunk is found again, here */
            n = pread(mem, buffer, end - at < sizeof(buffer) ? end - at : sizeof(buffer), (off_t) at);
            if (n > 0)
                found += count_in(buffer, (size_t) n, needle);
        }
    }
    return found;
}

static void work(struct needle needles[static 4])
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), wrong = new_key(), next = new_key(), found = SECRET_NULL;

    needles[0] = needle_of(&key);
    needles[1] = needle_of(&wrong);
    needles[2] = needle_of(&next);
    needles[3] = needle_of(&kek);
    CHECK(count_in_memory(&needles[0]) > 0); /* this test can fail */
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    CHECK(try_key(&wrong, &kek) == -EKEYREJECTED);
    CHECK_TOLD(keyslots_open(LOCK, &key, &found, NULL, &e));
    CHECK_TOLD(keyslots_add(LOCK, &found, &next, 2, NULL, &e));
    CHECK_TOLD(keyslots_activate(LOCK, 2, &e));
    CHECK_TOLD(keyslots_retire(LOCK, &next, 2, 0, &e));
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-memory.XXXXXX";
    struct needle needles[4];

    if (SANITIZED) {
        (void) puts("skipped: a sanitizer keeps freed memory, and terabytes of its own");
        return 77;
    }
    enter_folder(folder);
    work(needles);
    CHECK(count_in_memory(&needles[0]) == 0);
    CHECK(count_in_memory(&needles[1]) == 0);
    CHECK(count_in_memory(&needles[2]) == 0);
    CHECK(count_in_memory(&needles[3]) == 0);
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
