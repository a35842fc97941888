/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flips bits all over a lock, cuts it off, and fills it with noise. */
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <unistd.h>

#include "keys-test.h"

#define METADATA 65536
#define AREA (252 * 1024)
#define SIZE (2 * METADATA + 8 * AREA)

static struct secret kek, key, operator;
static unsigned char image[SIZE], good[SIZE], now[SIZE];

static void put_image(size_t size)
{
    _cleanup_close_ int fd = open(LOCK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && ftruncate(fd, (off_t) size) == 0);
    CHECK(pwrite(fd, image, size, 0) == (ssize_t) size);
}

static void get(unsigned char *ret)
{
    _cleanup_close_ int fd = open(LOCK, O_RDONLY | O_CLOEXEC);

    CHECK(pread(fd, ret, SIZE, 0) == SIZE);
}

static void flip(size_t at, unsigned bit)
{
    _cleanup_close_ int fd = open(LOCK, O_RDWR | O_CLOEXEC);
    unsigned char c;

    CHECK(pread(fd, &c, 1, (off_t) at) == 1);
    c ^= (unsigned char) (1U << bit);
    CHECK(pwrite(fd, &c, 1, (off_t) at) == 1);
}

/* It opens to the KEK, or is refused in words that name the file and a way out. */
static int check(const struct secret *passphrase)
{
    int r;

    e.text[0] = 0;
    r = try_key(passphrase, &kek);
    if (r != 0 && r != -EBADMSG && r != -EKEYREJECTED)
        (void) fprintf(stderr, "%d %s\n", r, e.text);
    CHECK(r == 0 || r == -EBADMSG || r == -EKEYREJECTED);
    CHECK(r == 0 || strstr(e.text, LOCK));
    CHECK(r != -EBADMSG || strstr(e.text, "backup"));
    return r;
}

/* A flip in either header is repaired from the other one. */
static void test_headers(void)
{
    for (unsigned i = 0; i < SCALED(150U); i++) {
        size_t at = randombytes_uniform(2) * METADATA + (i % 3 ? randombytes_uniform(4096 + 3000) : randombytes_uniform(METADATA));
        unsigned bit = randombytes_uniform(8);

        put_image(SIZE);
        flip(at, bit);
        get(now);
        CHECK_OK(check(&key));
        get(good);
        /* all but the spare half of the checksum's field is covered by it */
        CHECK((memcmp(now, good, SIZE) != 0) == (at % METADATA < 480 || at % METADATA >= 512));
        CHECK_TOLD(keyslots_collect(LOCK, &e));
        CHECK_OK(check(&key));
    }
}

static void test_both_headers(void)
{
    for (unsigned i = 0; i < SCALED(40U); i++) {
        size_t at = randombytes_uniform(512);

        put_image(SIZE);
        flip(4096 + at, randombytes_uniform(8));
        flip(METADATA + 4096 + at, randombytes_uniform(8));
        CHECK(check(&key) == -EBADMSG);
        CHECK(keyslots_collect(LOCK, &e) == -EBADMSG && keyslots_activate(LOCK, 1, &e) == -EBADMSG);
        CHECK(keyslots_add(LOCK, &kek, &key, 2, NULL, &e) == -EBADMSG && keyslots_retire(LOCK, &key, 1, 0, &e) == -EBADMSG);
    }
}

/* In our own slot's area LUKS2 sees a wrong key only; we see the damage. What pads the area is part of it, and harms nothing. */
static void test_own_area(void)
{
    for (unsigned i = 0; i < SCALED(60U); i++) {
        size_t at = i == 0 ? 0 : i == 1 ? 255999 : i == 2 ? AREA - 1 : randombytes_uniform(AREA);
        int r;

        put_image(SIZE);
        flip(2 * METADATA + at, randombytes_uniform(8));
        r = check(&key);
        CHECK(r == (at < 256000 ? -EBADMSG : 0));
        CHECK(r == 0 || strstr(e.text, "keyslot 0"));
        CHECK(keyslots_retire(LOCK, &key, 1, 0, &e) == r);
        CHECK_OK(check(&operator));
        CHECK(count_slots(KEYSLOT_FOREIGN) == 1);
    }
    /* the damaged slot may be made anew by whoever has the KEK */
    put_image(SIZE);
    flip(2 * METADATA, 0);
    CHECK_TOLD(keyslots_add(LOCK, &kek, &key, 1, NULL, &e));
    CHECK_OK(check(&key));
    CHECK(count_slots(KEYSLOT_ACTIVE) == 1 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
}

static void test_foreign_area(void)
{
    put_image(SIZE);
    flip(2 * METADATA + AREA + 1000, 3);
    CHECK(check(&operator) == -EKEYREJECTED);
    CHECK_OK(check(&key));
}

static void test_cut_off(void)
{
    static const size_t sizes[] = { 0, 1, 511, 4096, 32767, 32768, METADATA - 1, METADATA, 2 * METADATA - 1, 2 * METADATA,
                                    2 * METADATA + AREA / 2, 2 * METADATA + AREA, 1048576, 2195455 };

    for (unsigned i = 0; i < ELEMENTSOF(sizes); i++) {
        int r;

        put_image(sizes[i]);
        r = check(&key);
        CHECK(r == -EBADMSG || sizes[i] >= 2 * METADATA + AREA);
        CHECK(keyslots_collect(LOCK, &e) == -EBADMSG || sizes[i] >= 2 * METADATA);
    }
}

static void test_noise(void)
{
    memcpy(good, image, SIZE);
    for (unsigned i = 0; i < SCALED(20U); i++) {
        size_t at = i == 0 ? 0 : randombytes_uniform(2 * METADATA);
        size_t n = i == 0 ? SIZE : 1 + randombytes_uniform(20000);

        randombytes_buf(image + at, n < SIZE - at ? n : SIZE - at);
        put_image(SIZE);
        (void) check(&key);
        memcpy(image, good, SIZE);
    }
    CHECK(unlink(LOCK) == 0);
    CHECK(symlink("elsewhere", LOCK) == 0);
    CHECK(check(&key) == -EBADMSG);
    CHECK(unlink(LOCK) == 0);
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-damage.XXXXXX";

    enter_folder(folder);
    kek = new_kek();
    key = new_key();
    operator = text_of(OPERATOR);
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    (void) add_foreign(&kek, OPERATOR, NULL, NULL);
    get(image);
    test_headers();
    test_both_headers();
    test_own_area();
    test_foreign_area();
    test_cut_off();
    test_noise();
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
