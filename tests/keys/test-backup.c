/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "basic/cleanup.h"
#include "keys/backup.h"
#include "keys/unlock_key.h"
#include "test.h"

#define HEADER 160
#define CHUNK 65536
#define SEALED (CHUNK + 17)
#define SWARM "swarm00000000000000000000"
#define MARKER "a secret of the swarm"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *p);

/* Which allocation fails, counted from 1; 0: none. How many freed blocks held the marker. */
static unsigned fail_at, allocations, leaks;

void *__wrap_malloc(size_t size)
{
    return fail_at > 0 && ++allocations == fail_at ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_at > 0 && ++allocations == fail_at ? NULL : __real_calloc(n, size);
}

void __wrap_free(void *p)
{
    if (p && memmem(p, malloc_usable_size(p), MARKER, strlen(MARKER)))
        leaks++;
    __real_free(p);
}

static struct secret key;
static const struct backup_header header = { 7, SWARM };
static struct error e;

static int new_file(void)
{
    int fd = memfd_create("backup", MFD_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

static off_t size_of(int fd)
{
    struct stat st;

    CHECK(fstat(fd, &st) == 0);
    return st.st_size;
}

static void erase(void *data, size_t size)
{
    if (data)
        sodium_memzero(data, size);
    free(data);
}

/* Bytes that repeat nowhere, the marker in the first of them. */
static unsigned char *sample(size_t size)
{
    unsigned char *data = malloc(size + 1);

    CHECK(data);
    randombytes_buf(data, size);
    if (size > 100 + strlen(MARKER))
        memcpy(data + 100, MARKER, strlen(MARKER));
    return data;
}

static int backup_of(const unsigned char *data, size_t size)
{
    int fd = new_file();

    CHECK_OK(backup_write(fd, &header, &key, data, size, &e));
    return fd;
}

/* The result of reading, which has to leave the outputs alone when it fails. */
static int try(int fd, const struct secret *unlock_key)
{
    struct backup_header h = { 77, "" };
    void *data = NULL;
    size_t size = 77;
    int r;

    e.text[0] = '\0';
    r = backup_read(fd, unlock_key, &h, &data, &size, &e);
    CHECK(r < 0 ? !data && size == 77 && h.generation == 77 && e.text[0] : data && !e.text[0]);
    erase(data, size);
    return r;
}

static void test_round_trip(void)
{
    static const size_t sizes[] = { 0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 77 };

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        unsigned char *data = sample(sizes[i]);
        _cleanup_close_ int fd = backup_of(data, sizes[i]);
        size_t chunks = sizes[i] ? (sizes[i] + CHUNK - 1) / CHUNK : 1, size = 1;
        struct backup_header h = {}, again = {};
        void *back = NULL;

        CHECK((size_t) size_of(fd) == HEADER + sizes[i] + 17 * chunks);
        CHECK_OK(backup_read_header(fd, &h, &e));
        CHECK(h.generation == 7 && strcmp(h.swarm_id, SWARM) == 0);
        CHECK_OK(backup_read(fd, &key, &again, &back, &size, &e));
        CHECK(size == sizes[i] && memcmp(back, data, size) == 0 && again.generation == 7 && strcmp(again.swarm_id, SWARM) == 0);
        CHECK(lseek(fd, 0, SEEK_CUR) == size_of(fd)); /* reading left it where writing ended */
        erase(back, size);
        erase(data, sizes[i]);
    }
    _cleanup_close_ int fd = new_file();
    const struct backup_header last = { UINT32_MAX, SWARM };
    struct backup_header h;
    CHECK_OK(backup_write(fd, &last, &key, NULL, 0, &e));
    CHECK_OK(backup_read_header(fd, &h, &e));
    CHECK(h.generation == UINT32_MAX);
}

/* As docs/FORMATS.md has it, done by hand. */
static void test_format(void)
{
    static const char context[] = "swarm-manager backup, version 1";
    static const char text[] = "the state";
    _cleanup_close_ int fd = backup_of((const unsigned char *) text, sizeof(text)), other = -1;
    unsigned char bytes[HEADER + sizeof(text) + 17], message[sizeof(context) - 1 + 32], keys[64], sum[32], plain[sizeof(text)], tag;
    unsigned char more[HEADER];
    crypto_secretstream_xchacha20poly1305_state s;

    CHECK(pread(fd, bytes, sizeof(bytes), 0) == (ssize_t) sizeof(bytes) && size_of(fd) == (off_t) sizeof(bytes));
    CHECK(memcmp(bytes, "SWARMBK\1\7\0\0\0" SWARM "\0\0\0", 40) == 0);
    memcpy(message, context, sizeof(context) - 1);
    memcpy(message + sizeof(context) - 1, bytes + 40, 32);
    CHECK_OK(crypto_generichash(keys, 64, message, sizeof(message), key.data, key.size));
    CHECK(memcmp(keys + 32, bytes + 72, 32) == 0);
    CHECK_OK(crypto_generichash(sum, 32, bytes, 128, NULL, 0));
    CHECK(memcmp(sum, bytes + 128, 32) == 0);
    CHECK_OK(crypto_secretstream_xchacha20poly1305_init_pull(&s, bytes + 104, keys));
    CHECK_OK(crypto_secretstream_xchacha20poly1305_pull(&s, plain, NULL, &tag, bytes + HEADER, sizeof(text) + 17, bytes, HEADER));
    CHECK(tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL && memcmp(plain, text, sizeof(text)) == 0);
    /* no two alike */
    other = backup_of((const unsigned char *) text, sizeof(text));
    CHECK(pread(other, more, HEADER, 0) == HEADER);
    CHECK(memcmp(more + 40, bytes + 40, 32) != 0 && memcmp(more + 72, bytes + 72, 32) != 0 && memcmp(more + 104, bytes + 104, 24) != 0);
}

static void test_keys(void)
{
    _cleanup_close_ int fd = backup_of((const unsigned char *) MARKER, strlen(MARKER));
    _cleanup_(secret_done) struct secret other = SECRET_NULL;
    unsigned char bytes[1024];
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

    CHECK(n > 0 && !memmem(bytes, (size_t) n, MARKER, 8) && !memmem(bytes, (size_t) n, key.data, 8));
    for (size_t i = 0; i < UNLOCK_KEY_SIZE; i++) {
        secret_done(&other);
        CHECK_OK(secret_copy(key.data, key.size, &other));
        other.data[i] ^= 1;
        CHECK(try(fd, &other) == -EKEYREJECTED && strstr(e.text, "generation 7") && strstr(e.text, SWARM));
    }
    secret_truncate(&other, UNLOCK_KEY_SIZE - 1);
    CHECK(try(fd, &other) == -EINVAL && strstr(e.text, "unlock key"));
    CHECK_OK(try(fd, &key));
}

static void flip(int fd, off_t at, unsigned char mask)
{
    unsigned char byte;

    CHECK(pread(fd, &byte, 1, at) == 1);
    byte ^= mask;
    CHECK(pwrite(fd, &byte, 1, at) == 1);
}

/* What a changed byte in the header is said to be. */
static int expected_at(off_t at, unsigned char mask)
{
    if (at < 7)
        return -EINVAL;
    if (at > 7)
        return -EBADMSG;
    return mask == 1 ? -EINVAL : -EPROTONOSUPPORT; /* version 0, or a newer one */
}

static void test_flipped(void)
{
    unsigned char *data = sample(3 * CHUNK + 5);
    _cleanup_close_ int fd = backup_of(data, 3 * CHUNK + 5);
    struct backup_header h;

    for (off_t at = 0; at < HEADER; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned char mask = (unsigned char) (1U << bit);

            flip(fd, at, mask);
            CHECK(backup_read_header(fd, &h, &e) == expected_at(at, mask) && try(fd, &key) == expected_at(at, mask));
            flip(fd, at, mask);
        }
    for (off_t at = HEADER; at < size_of(fd); at += at < HEADER + 40 || at > size_of(fd) - 40 ? 1 : 1709) {
        flip(fd, at, 1);
        CHECK_OK(backup_read_header(fd, &h, &e));
        CHECK(try(fd, &key) == -EBADMSG && strstr(e.text, "damaged"));
        flip(fd, at, 1);
    }
    CHECK_OK(try(fd, &key));
    erase(data, 3 * CHUNK + 5);
}

/* A header that was changed by somebody who knows the format: only the stream's authentication sees it. */
static void test_forged(void)
{
    static const struct {
        off_t at;
        int read, header;
    } cases[] = {
        { 8, -EBADMSG, 0 },             /* the generation */
        { 12, -EBADMSG, 0 },            /* the swarm */
        { 37, -EBADMSG, -EBADMSG },     /* zeros */
        { 40, -EKEYREJECTED, 0 },       /* the salt */
        { 72, -EKEYREJECTED, 0 },       /* the key check */
        { 104, -EBADMSG, 0 },           /* the stream's header */
    };
    _cleanup_close_ int fd = backup_of((const unsigned char *) "x", 1);
    unsigned char bytes[HEADER], changed[HEADER];
    struct backup_header h;

    CHECK(pread(fd, bytes, HEADER, 0) == HEADER);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        memcpy(changed, bytes, HEADER);
        changed[cases[i].at] ^= 1;
        CHECK_OK(crypto_generichash(changed + 128, 32, changed, 128, NULL, 0));
        CHECK(pwrite(fd, changed, HEADER, 0) == HEADER);
        CHECK(backup_read_header(fd, &h, &e) == cases[i].header && try(fd, &key) == cases[i].read);
    }
    /* no id of a swarm */
    memcpy(changed, bytes, HEADER);
    changed[12] = 'S';
    CHECK_OK(crypto_generichash(changed + 128, 32, changed, 128, NULL, 0));
    CHECK(pwrite(fd, changed, HEADER, 0) == HEADER && backup_read_header(fd, &h, &e) == -EBADMSG);
    CHECK(pwrite(fd, bytes, HEADER, 0) == HEADER);
    CHECK_OK(try(fd, &key));
}

static void test_lengths(void)
{
    unsigned char *data = sample(2 * CHUNK + 100), byte = 0;
    _cleanup_close_ int fd = backup_of(data, 2 * CHUNK + 100), even = backup_of(data, 2 * CHUNK);
    off_t size = size_of(fd);

    for (off_t n = size - 1; n >= 0; n--) {
        off_t in_chunk = (n - HEADER) % SEALED;

        if (n > HEADER && in_chunk > 20 && in_chunk < SEALED - 20 && n % 509 != 0)
            continue; /* near the limits of chunks each one, elsewhere some */
        CHECK(ftruncate(fd, n) == 0);
        CHECK(try(fd, &key) == (n <= 7 ? -EINVAL : -EBADMSG));
    }
    /* a whole chunk less, and bytes behind the end */
    CHECK(ftruncate(even, HEADER + SEALED) == 0 && try(even, &key) == -EBADMSG);
    _cleanup_close_ int longer = backup_of(data, 2 * CHUNK);
    for (unsigned i = 0; i < 40; i++) {
        CHECK(pwrite(longer, &byte, 1, size_of(longer)) == 1);
        CHECK(try(longer, &key) == -EBADMSG);
    }
    erase(data, 2 * CHUNK + 100);
}

static void test_reordered(void)
{
    static unsigned char one[SEALED], two[SEALED];
    unsigned char *data = sample(4 * CHUNK);
    _cleanup_close_ int fd = backup_of(data, 4 * CHUNK), other = backup_of(data, 4 * CHUNK);

    CHECK(pread(fd, one, SEALED, HEADER) == SEALED && pread(fd, two, SEALED, HEADER + SEALED) == SEALED);
    CHECK(pwrite(fd, two, SEALED, HEADER) == SEALED && pwrite(fd, one, SEALED, HEADER + SEALED) == SEALED);
    CHECK(try(fd, &key) == -EBADMSG);
    CHECK(pwrite(fd, one, SEALED, HEADER) == SEALED); /* the first one twice */
    CHECK(try(fd, &key) == -EBADMSG);
    CHECK(pwrite(fd, two, SEALED, HEADER + SEALED) == SEALED);
    CHECK_OK(try(fd, &key));
    /* the same snapshot's chunk in the other backup */
    CHECK(pwrite(other, two, SEALED, HEADER + SEALED) == SEALED && try(other, &key) == -EBADMSG);
    erase(data, 4 * CHUNK);
}

static void test_other_files(void)
{
    _cleanup_close_ int empty = new_file(), text = new_file(), newer = backup_of(NULL, 0), folder = open("/", O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC), huge = backup_of(NULL, 0), deaf = -1;
    struct backup_header h = { 77, "" };
    int ends[2];

    CHECK(write(text, "a text that is none of ours, and longer than a header\n", 54) == 54);
    CHECK(try(empty, &key) == -EINVAL && strstr(e.text, "not a backup"));
    CHECK(try(text, &key) == -EINVAL && strstr(e.text, "not a backup"));
    CHECK(pwrite(newer, "\2", 1, 7) == 1 && try(newer, &key) == -EPROTONOSUPPORT && strstr(e.text, "newer"));
    /* a newer one's header may have any length */
    CHECK(ftruncate(newer, 9) == 0 && backup_read_header(newer, &h, &e) == -EPROTONOSUPPORT);
    CHECK(try(folder, &key) == -EINVAL && try(-1, &key) == -EBADF);
    CHECK(pipe2(ends, O_CLOEXEC) == 0 && try(ends[0], &key) == -EINVAL);
    CHECK(ftruncate(huge, (off_t) BACKUP_SNAPSHOT_MAX / CHUNK * SEALED + HEADER + 1) == 0);
    CHECK(try(huge, &key) == -EMSGSIZE && backup_read_header(huge, &h, &e) == -EMSGSIZE);
    CHECK(ftruncate(huge, size_of(huge) - 1) == 0 && try(huge, &key) == -EBADMSG);
    deaf = open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(deaf < 0 || try(deaf, &key) == -EBADF);
    CHECK(h.generation == 77);

    /* writing goes to a pipe as well, but not to everything */
    CHECK_OK(backup_write(ends[1], &header, &key, "x", 1, &e));
    CHECK(backup_write(full, &header, &key, "x", 1, &e) == -ENOSPC && backup_write(-1, &header, &key, "x", 1, &e) == -EBADF);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR && close(ends[0]) == 0);
    CHECK(backup_write(ends[1], &header, &key, "x", 1, &e) == -EPIPE && e.text[0]);
    (void) close(ends[1]);
}

static void test_refused(void)
{
    static const struct backup_header ids[] = { { 1, "" }, { 1, "swarm0000000000000000000" }, { 1, "Swarm00000000000000000000" } };
    _cleanup_close_ int fd = new_file();
    struct backup_header unterminated = { 1, "" };

    memset(unterminated.swarm_id, 'x', sizeof(unterminated.swarm_id));
    CHECK(backup_write(fd, &unterminated, &key, "x", 1, &e) == -EINVAL);
    for (size_t i = 0; i < ELEMENTSOF(ids); i++)
        CHECK(backup_write(fd, &ids[i], &key, "x", 1, &e) == -EINVAL);
    CHECK(backup_write(fd, &header, &SECRET_NULL, "x", 1, &e) == -EINVAL);
    CHECK(backup_write(fd, &header, &key, "x", (size_t) BACKUP_SNAPSHOT_MAX + 1, &e) == -EMSGSIZE && strstr(e.text, "160 MiB"));
    CHECK(size_of(fd) == 0);
}

static void test_faults(void)
{
    unsigned char *data = sample(2 * CHUNK);
    _cleanup_close_ int fd = backup_of(data, 2 * CHUNK);

    for (fail_at = 1; allocations = 0, try(fd, &key) != 0; fail_at++) {
        CHECK(allocations >= fail_at && strstr(e.text, "memory"));
        CHECK(fail_at < 100);
    }
    CHECK(fail_at == 3);
    fail_at = 1;
    allocations = 0;
    CHECK(backup_write(fd, &header, &key, data, 2 * CHUNK, &e) == -ENOMEM);
    fail_at = 0;
    erase(data, 2 * CHUNK);
}

/* What was decrypted before the damage was met, and all that was worked with, is not in freed memory. */
static void test_erased(void)
{
    size_t size = 3 * CHUNK;
    unsigned char *data = sample(size), *copy;
    _cleanup_close_ int fd = backup_of(data, size);

    leaks = 0;
    flip(fd, size_of(fd) - 1, 1);
    CHECK(try(fd, &key) == -EBADMSG);
    flip(fd, size_of(fd) - 1, 1);
    CHECK_OK(try(fd, &key));
    CHECK(leaks == 0);
    copy = malloc(size); /* and the search does find */
    CHECK(copy);
    memcpy(copy, data, size);
    __asm__ volatile("" : : "r"(copy) : "memory"); /* else the compiler drops the copy */
    free(copy);
    CHECK(leaks == 1);
    erase(data, size);
}

/* The largest there may be. */
static void test_largest(void)
{
    size_t size = 0;
    unsigned char *data = calloc(1, BACKUP_SNAPSHOT_MAX);
    struct backup_header h;
    void *back = NULL;

    CHECK(data);
    data[BACKUP_SNAPSHOT_MAX - 1] = 9;
    _cleanup_close_ int fd = backup_of(data, BACKUP_SNAPSHOT_MAX);
    CHECK_OK(backup_read(fd, &key, &h, &back, &size, &e));
    CHECK(size == BACKUP_SNAPSHOT_MAX && memcmp(back, data, size) == 0);
    free(data);
    free(back);
}

int main(void)
{
    CHECK_OK(secret_init());
    CHECK_OK(secret_random(UNLOCK_KEY_SIZE, &key));
    test_round_trip();
    test_format();
    test_keys();
    test_flipped();
    test_forged();
    test_lengths();
    test_reordered();
    test_other_files();
    test_refused();
    test_faults();
    test_erased();
    test_largest();
    secret_done(&key);
    return 0;
}
