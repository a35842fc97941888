/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lock follows the swarm's unlock keys, and what was seen to open is not tried again unless something of it has changed. */
#include <fcntl.h>
#include <unistd.h>

#include "keys-test.h"

static struct secret kek, a, b, c;
static struct keyslots_proofs proofs;

static uint64_t sequence(void)
{
    uint64_t n = 0;

    CHECK_TOLD(keyslots_sequence(LOCK, &n, &e));
    return n;
}

static int follow(const struct secret *key, uint32_t generation, const struct secret *next, uint32_t keep)
{
    const struct keyslots_wanted wanted = {
        .kek = &kek, .key = key, .next = next, .generation = generation, .next_generation = generation + 1, .keep = keep,
    };
    struct keyslots_followed followed;
    uint64_t before = access(LOCK, F_OK) == 0 ? sequence() : 0;
    int r = keyslots_follow(LOCK, &wanted, &proofs, &followed, &e);

    if (r == 0)
        CHECK(followed.before == before && followed.after == sequence());
    return r;
}

/* In its area, from outside. */
static void damage(int slot)
{
    struct crypt_device *cd = load_lock();
    _cleanup_close_ int fd = open(LOCK, O_RDWR | O_CLOEXEC);
    uint64_t at, size;
    unsigned char byte;

    CHECK_OK(crypt_keyslot_area(cd, slot, &at, &size));
    crypt_free(cd);
    CHECK(pread(fd, &byte, 1, (off_t) at) == 1);
    byte ^= 1;
    CHECK(pwrite(fd, &byte, 1, (off_t) at) == 1);
}

static int slot_of(uint32_t generation)
{
    struct keyslot s[KEYSLOTS_MAX];
    int n = keyslots_list(LOCK, s, &e);

    CHECK_TOLD(n);
    for (int i = 0; i < n; i++)
        if (s[i].generation == generation)
            return s[i].slot;
    return -1;
}

static void begin(void)
{
    proofs = (struct keyslots_proofs) { 0 };
    CHECK_TOLD(keyslots_create(LOCK, &kek, &a, 1, KEYSLOT_ACTIVE, &e));
    CHECK_OK(add_foreign(&kek, OPERATOR, NULL, NULL));
}

static void test_rotation(void)
{
    _cleanup_(secret_done) struct secret operator = text_of(OPERATOR);
    uint64_t before;

    begin();
    CHECK_TOLD(follow(&a, 1, &b, 0));
    CHECK(try_key(&a, &kek) == 0 && try_key(&b, &kek) == 0 && count_slots(KEYSLOT_PENDING) == 1);
    CHECK_TOLD(follow(&b, 2, NULL, 1));
    CHECK(try_key(&a, &kek) == 0 && try_key(&b, &kek) == 0 && count_slots(KEYSLOT_RETIRING) == 1 && count_slots(KEYSLOT_ACTIVE) == 1);
    CHECK_TOLD(follow(&b, 2, NULL, 0));
    CHECK(try_key(&a, &kek) == -EKEYREJECTED && try_key(&b, &kek) == 0 && try_key(&operator, &kek) == 0);
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 1 && proofs.n == 2);
    before = sequence();
    for (int i = 0; i < 3; i++)
        CHECK_TOLD(follow(&b, 2, NULL, 0));
    CHECK(sequence() == before && proofs.n == 2);
}

/* What was added just now. */
static void test_added(void)
{
    begin();
    CHECK_TOLD(keyslots_add(LOCK, &kek, &b, 2, &proofs, &e));
    CHECK(proofs.n == 1);
    CHECK_TOLD(follow(&a, 1, &b, 0));
    CHECK(proofs.n == 2 && try_key(&b, &kek) == 0);
}

/* What is not tried again would have been refused. */
static void test_what_was_seen(void)
{
    uint64_t before;

    begin();
    CHECK_TOLD(follow(&a, 1, NULL, 0));
    CHECK(proofs.n == 1);
    CHECK(follow(&b, 1, NULL, 0) == -EEXIST && strstr(e.text, "another unlock key"));
    secret_done(&kek);
    kek = new_kek();
    before = sequence();
    CHECK(follow(&a, 1, &b, 0) == -EKEYREJECTED && strstr(e.text, "a lock of other keys"));
    CHECK(proofs.n == 1 && sequence() == before);
}

/* A slot that no longer opens is made anew: the swarm knows its key. */
static void test_damage(void)
{
    begin();
    CHECK_TOLD(follow(&a, 1, &b, 0));
    damage(slot_of(2));
    CHECK(try_key(&b, &kek) < 0);
    CHECK_TOLD(follow(&a, 1, &b, 0));
    CHECK_OK(try_key(&b, &kek));
    CHECK_TOLD(follow(&b, 2, NULL, 1));
    damage(slot_of(2));
    CHECK_TOLD(follow(&b, 2, NULL, 0));
    CHECK(try_key(&b, &kek) == 0 && try_key(&a, &kek) == -EKEYREJECTED);
}

/* Others' parameters for the same area: as by a copy of an older header. */
static void test_other_parameters(void)
{
    static const struct crypt_pbkdf_type quick = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 1000, .flags = CRYPT_PBKDF_NO_BENCHMARK };
    struct crypt_device *cd;
    int slot;

    begin();
    CHECK_TOLD(follow(&a, 1, NULL, 0));
    slot = slot_of(1);
    cd = load_lock();
    CHECK_OK(crypt_set_pbkdf_type(cd, &quick));
    CHECK(crypt_keyslot_change_by_passphrase(cd, slot, slot, (const char *) a.data, a.size, "another", 7) == slot);
    crypt_free(cd);
    CHECK_TOLD(follow(&a, 1, NULL, 0));
    CHECK_OK(try_key(&a, &kek));
}

/* An unlock key whose keyslot was removed by hand. */
static void test_missing(void)
{
    struct crypt_device *cd;

    begin();
    CHECK_TOLD(follow(&a, 1, &b, 0));
    cd = load_lock();
    CHECK_OK(crypt_keyslot_destroy(cd, slot_of(1)));
    crypt_free(cd);
    CHECK(try_key(&a, &kek) == -EKEYREJECTED);
    CHECK_TOLD(follow(&a, 1, &b, 0));
    CHECK(try_key(&a, &kek) == 0 && try_key(&b, &kek) == 0);
    CHECK(follow(NULL, 1, NULL, 0) == -EINVAL);
    CHECK_OK(unlink(LOCK));
    CHECK(follow(&a, 1, NULL, 0) == -ENOENT && strstr(e.text, LOCK));
}

/* More keys than are remembered. */
static void test_many(void)
{
    begin();
    for (uint32_t generation = 1; generation < 2 * KEYSLOTS_PROOFS_MAX; generation++) {
        CHECK_TOLD(follow(&a, generation, &c, 0));
        CHECK_TOLD(follow(&c, generation + 1, NULL, 0));
        CHECK(try_key(&a, &kek) == -EKEYREJECTED && try_key(&c, &kek) == 0);
        secret_done(&a);
        a = secret_take(&c);
        c = new_key();
    }
    CHECK(proofs.n == 2 * KEYSLOTS_PROOFS_MAX);
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-follow.XXXXXX";

    enter_folder(folder);
    kek = new_kek();
    a = new_key();
    b = new_key();
    c = new_key();
    test_rotation();
    test_added();
    test_what_was_seen();
    test_damage();
    test_other_parameters();
    test_missing();
    test_many();
    secret_done(&kek);
    secret_done(&a);
    secret_done(&b);
    secret_done(&c);
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
