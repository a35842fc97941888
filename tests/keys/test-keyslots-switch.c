/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One header in the place of another: what stands beside it in each state, and kills in between. */
#include <limits.h>

#include "kill-test.h"

#define NEXT LOCK ".next"
#define TEMPORARY "." NEXT ".new"

static struct secret old_kek, new_kek_, key;
static unsigned char old_uuid[KEYSLOTS_UUID_SIZE], new_uuid[KEYSLOTS_UUID_SIZE];

static void copy(const char *from, const char *to)
{
    static unsigned char data[1 << 22];
    _cleanup_fclose_ FILE *f = fopen(from, "re");
    size_t size = f ? fread(data, 1, sizeof(data), f) : 0;

    CHECK(size > 0 && size < sizeof(data));
    CHECK_OK(file_write(to, data, size, 0600, NULL));
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool opens_to(const struct secret *kek)
{
    _cleanup_(secret_done) struct secret found = SECRET_NULL;

    CHECK_TOLD(keyslots_open(LOCK, &key, &found, NULL, &e));
    return memcmp(found.data, kek->data, KEK_SIZE) == 0;
}

/* Two headers for one unlock key. */
static void make_both(void)
{
    char next[PATH_MAX];

    CHECK_OK(keyslots_next(LOCK, next));
    CHECK(strcmp(next, NEXT) == 0);
    CHECK_TOLD(keyslots_create(LOCK, &old_kek, &key, 1, KEYSLOT_ACTIVE, &e));
    CHECK_TOLD(keyslots_create(NEXT, &new_kek_, &key, 1, KEYSLOT_ACTIVE, &e));
    CHECK_TOLD(keyslots_uuid(LOCK, old_uuid, &e));
    CHECK_TOLD(keyslots_uuid(NEXT, new_uuid, &e));
    CHECK(memcmp(old_uuid, new_uuid, sizeof(old_uuid)) != 0);
}

static void damage(const char *path)
{
    static const char garbage[4096];
    _cleanup_fclose_ FILE *f = fopen(path, "r+e");

    CHECK(f);
    for (long at = 0; at < 2 * 65536; at += 65536)
        CHECK(fseek(f, at, SEEK_SET) == 0 && fwrite(garbage, 1, sizeof(garbage), f) == sizeof(garbage));
}

static void test_decided(void)
{
    make_both();
    CHECK(keyslots_settle(LOCK, new_uuid, &e) == 1);
    CHECK(opens_to(&new_kek_) && !is_there(NEXT));
    CHECK(keyslots_settle(LOCK, new_uuid, &e) == 0);
    CHECK(opens_to(&new_kek_));

    /* the one that it is to replace is gone, or damaged */
    make_both();
    CHECK_OK(unlink(LOCK));
    CHECK(keyslots_settle(LOCK, new_uuid, &e) == 1);
    CHECK(opens_to(&new_kek_) && !is_there(NEXT));
    make_both();
    damage(LOCK);
    CHECK(keyslots_settle(LOCK, new_uuid, &e) == 1);
    CHECK(opens_to(&new_kek_) && !is_there(NEXT));
}

static void test_undecided(void)
{
    make_both();
    copy(LOCK, TEMPORARY);
    CHECK(keyslots_settle(LOCK, old_uuid, &e) == 0);
    CHECK(opens_to(&old_kek) && !is_there(NEXT) && !is_there(TEMPORARY));
    make_both(); /* a bundle that names none */
    CHECK(keyslots_settle(LOCK, NULL, &e) == 0);
    CHECK(opens_to(&old_kek) && !is_there(NEXT));
    copy(LOCK, TEMPORARY); /* cut off in its making */
    CHECK(keyslots_settle(LOCK, old_uuid, &e) == 0);
    CHECK(opens_to(&old_kek) && !is_there(TEMPORARY));
    make_both(); /* half made, which is none */
    damage(NEXT);
    CHECK(keyslots_settle(LOCK, old_uuid, &e) == 0);
    CHECK(opens_to(&old_kek) && !is_there(NEXT));
}

/* Somebody changed the UUID with cryptsetup, or copied files about. */
static void test_others(void)
{
    unsigned char other[KEYSLOTS_UUID_SIZE] = { 7 };

    make_both();
    CHECK(keyslots_settle(LOCK, other, &e) == 0);
    CHECK(opens_to(&old_kek) && !is_there(NEXT));
    CHECK(keyslots_settle(LOCK, other, &e) == 0);
    CHECK(opens_to(&old_kek));
    make_both();
    copy(NEXT, LOCK);
    CHECK(keyslots_settle(LOCK, new_uuid, &e) == 0);
    CHECK(opens_to(&new_kek_) && !is_there(NEXT));
    make_both(); /* not to be told: nothing is thrown away */
    damage(NEXT);
    CHECK(keyslots_settle(LOCK, new_uuid, &e) == 0);
    CHECK(opens_to(&old_kek) && is_there(NEXT));
    CHECK_TOLD(keyslots_erase(LOCK, &e));
    CHECK(!is_there(LOCK) && !is_there(NEXT));
    CHECK(keyslots_settle(LOCK, new_uuid, &e) == 0);
}

static void test_uuid(void)
{
    struct crypt_device *cd;
    unsigned char uuid[KEYSLOTS_UUID_SIZE];

    CHECK(keyslots_uuid(LOCK, uuid, &e) == -ENOENT);
    make_both();
    cd = load_lock();
    CHECK_OK(crypt_set_uuid(cd, "00112233-4455-6677-8899-aabbccddeeff"));
    crypt_free(cd);
    CHECK_TOLD(keyslots_uuid(LOCK, uuid, &e));
    CHECK(memcmp(uuid, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", sizeof(uuid)) == 0);
    CHECK(keyslots_hold(LOCK, &old_kek, &e) == 1 && keyslots_hold(LOCK, &new_kek_, &e) == 0);
    damage(LOCK);
    CHECK(keyslots_uuid(LOCK, uuid, &e) == -EBADMSG && keyslots_hold(LOCK, &old_kek, &e) == -EBADMSG);
}

/* --- kills: of making the next one, of putting it there, and of throwing it away */

static void make_next(void)
{
    if (keyslots_create(NEXT, &new_kek_, &key, 1, KEYSLOT_ACTIVE, &e) < 0)
        _exit(1);
}

static void check_made(void)
{
    CHECK(keyslots_settle(LOCK, old_uuid, &e) == 0);
    CHECK(opens_to(&old_kek) && !is_there(NEXT) && !is_there(TEMPORARY));
}

static void put_there(void)
{
    if (keyslots_settle(LOCK, new_uuid, &e) < 0)
        _exit(1);
}

static void check_there(void)
{
    int r = keyslots_settle(LOCK, new_uuid, &e);

    CHECK_TOLD(r);
    CHECK(opens_to(&new_kek_) && !is_there(NEXT));
}

static void throw_away(void)
{
    if (keyslots_settle(LOCK, old_uuid, &e) < 0)
        _exit(1);
}

static void test_kills(void)
{
    unsigned making, putting, throwing;

    make_both();
    making = every_write(make_next, check_made, NULL, SANITIZED ? 9 : 3);
    putting = every_write(put_there, check_there, make_both, 1);
    throwing = every_write(throw_away, check_made, make_both, SANITIZED ? 9 : 3);
    (void) printf("killed at each write: %u making, %u putting it there, %u throwing it away\n", making, putting, throwing);
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-switch.XXXXXX";

    enter_folder(folder);
    old_kek = new_kek();
    new_kek_ = new_kek();
    key = new_key();
    test_uuid();
    test_decided();
    test_undecided();
    test_others();
    test_kills();
    CHECK_TOLD(keyslots_erase(LOCK, &e));
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
    secret_done(&old_kek);
    secret_done(&new_kek_);
    secret_done(&key);
    return 0;
}
