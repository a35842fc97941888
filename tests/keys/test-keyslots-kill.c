/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kills a process that changes a lock: first before each of its writes in turn, then at random moments. */
#include "kill-test.h"

#define ROUNDS SCALED(60)

/* How far the child came, acknowledged like an answer to an operator. */
enum step { NOTHING, ADDING, ADDED, RETIRING, RETIRED };

static struct secret kek, kek2, a, b;
static uint32_t generation = 1;
static volatile enum step *step;

static void rotate(void)
{
    *step = ADDING;
    if (keyslots_add(LOCK, &kek, &b, generation + 1, NULL, NULL) < 0)
        _exit(1);
    *step = ADDED;
    if (keyslots_activate(LOCK, generation + 1, NULL) < 0)
        _exit(2);
    *step = RETIRING;
    if (keyslots_retire(LOCK, &b, generation + 1, 0, NULL) < 0)
        _exit(3);
    *step = RETIRED;
}

/* The same as the manager does it. */
static void follow(void)
{
    struct keyslots_wanted wanted = { .kek = &kek, .key = &a, .next = &b, .generation = generation, .next_generation = generation + 1 };
    struct keyslots_proofs proofs = { 0 };
    struct keyslots_followed followed;

    *step = ADDING;
    if (keyslots_follow(LOCK, &wanted, &proofs, &followed, NULL) < 0)
        _exit(1);
    *step = ADDED;
    wanted = (struct keyslots_wanted) { .kek = &kek, .key = &b, .generation = generation + 1, .keep = generation };
    if (keyslots_follow(LOCK, &wanted, &proofs, &followed, NULL) < 0)
        _exit(2);
    *step = RETIRING;
    wanted.keep = 0;
    if (keyslots_follow(LOCK, &wanted, &proofs, &followed, NULL) < 0)
        _exit(3);
    *step = RETIRED;
}

static void replace(void)
{
    *step = ADDING;
    if (keyslots_create(LOCK, &kek2, &b, 1, KEYSLOT_ACTIVE, NULL) < 0)
        _exit(1);
    *step = ADDED;
}

static void check_foreign(const struct secret *their_kek)
{
    _cleanup_(secret_done) struct secret operator = text_of(OPERATOR), tang = text_of("tang");

    CHECK_OK(try_key(&operator, their_kek));
    CHECK_OK(try_key(&tang, their_kek));
    CHECK(count_tokens("clevis") == 1 && count_slots(KEYSLOT_FOREIGN) == 2);
}

/* What must hold however far the rotation came; then it is done again, and b is the key. */
static void check_rotation(void)
{
    enum step reached = *step;

    for (int collected = 0; collected < 2; collected++) {
        if (reached < RETIRING)
            CHECK_OK(try_key(&a, &kek));
        if (reached >= ADDED)
            CHECK_OK(try_key(&b, &kek));
        if (!collected)
            check_collected();
    }
    if (reached == RETIRING) /* what is listed as an unlock key is one */
        CHECK(count_slots(KEYSLOT_ACTIVE) + count_slots(KEYSLOT_RETIRING) == 1 + (try_key(&a, &kek) == 0));
    CHECK_TOLD(keyslots_add(LOCK, &kek, &b, generation + 1, NULL, &e));
    CHECK_TOLD(keyslots_activate(LOCK, generation + 1, &e));
    CHECK_TOLD(keyslots_retire(LOCK, &b, generation + 1, 0, &e));
    CHECK(try_key(&a, &kek) == -EKEYREJECTED);
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    check_foreign(&kek);
    generation++;
    secret_done(&a);
    a = secret_take(&b);
    b = new_key();
    *step = NOTHING;
}

/* The lock is the old one or the new one. */
static void check_replacement(void)
{
    _cleanup_(secret_done) struct secret found = SECRET_NULL;
    struct keyslot slot;
    bool is_new;

    is_new = keyslots_open(LOCK, &b, &found, &slot, &e) == 0;
    CHECK(is_new || *step < ADDED);
    if (is_new) {
        CHECK(memcmp(found.data, kek2.data, KEK_SIZE) == 0);
        CHECK(try_key(&a, &kek) == -EKEYREJECTED);
    } else {
        CHECK_OK(try_key(&a, &kek));
    }
    check_collected();
    CHECK_OK(is_new ? try_key(&b, &kek2) : try_key(&a, &kek));
    *step = NOTHING;
}

static void begin(void)
{
    generation = 1;
    CHECK_TOLD(keyslots_create(LOCK, &kek, &a, generation, KEYSLOT_ACTIVE, &e));
    (void) add_foreign(&kek, OPERATOR, NULL, NULL);
    (void) add_foreign(&kek, "tang", NULL, "{\"type\":\"clevis\",\"keyslots\":[]}");
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-kill.XXXXXX";
    unsigned writes, killed = 0;

    enter_folder(folder);
    kek = new_kek();
    kek2 = new_kek();
    a = new_key();
    b = new_key();
    step = mmap(NULL, sizeof(*step), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(step != MAP_FAILED);
    begin();
    writes = every_write(rotate, check_rotation, NULL, SANITIZED ? 5 : 1);
    (void) printf("rotation: %u writes\n", writes);
    writes = every_write(follow, check_rotation, NULL, SANITIZED ? 5 : 2);
    (void) printf("following: %u writes\n", writes);
    for (int i = 0; i < ROUNDS; i++) {
        killed += (unsigned) kill_after(i % 2 ? rotate : follow, (uint32_t) (rand() % 16000));
        check_rotation();
    }
    (void) printf("rotation: %u of %d killed\n", killed, ROUNDS);
    CHECK(killed > 0);
    writes = every_write(replace, check_replacement, begin, SANITIZED ? 9 : 3);
    (void) printf("replacement: %u writes\n", writes);
    secret_done(&kek);
    secret_done(&kek2);
    secret_done(&a);
    secret_done(&b);
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
