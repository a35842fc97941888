/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another program changes the header each time an operation of ours is about to take the file's lock: every order of its write and ours. */
#include "kill-test.h"

#define TOKEN "{\"type\":\"systemd-recovery\",\"keyslots\":[]}"
#define METHOD "what the method found out"
#define THEIRS "theirs"
#define STRIDE (SANITIZED ? 3 : 1)

static struct secret kek, key, next, method, theirs;
static volatile int *slot;
static volatile unsigned *intrusions;
static const char *token;
static int their_slot, aim;
static unsigned moments; /* that were tried */
static void (*intrude)(void);

/* Where the lock is held already, by the child at an inner call, nobody else can write. */
static bool is_locked(void)
{
    _cleanup_close_ int fd = open(LOCK, O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    return flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static void act(pid_t pid _unused_)
{
    if (is_locked())
        return;
    intrude();
    (*intrusions)++;
}

static void touch_header(void)
{
    struct crypt_device *cd = load_lock();

    CHECK_OK(crypt_token_json_set(cd, 31, "{\"type\":\"swarm-other\",\"keyslots\":[]}"));
    crypt_free(cd);
}

/* The number that we would choose. */
static int last_free(void)
{
    struct crypt_device *cd = load_lock();
    int last = KEYSLOTS_MAX - 1;

    while (crypt_keyslot_status(cd, last) != CRYPT_SLOT_INACTIVE)
        last--;
    crypt_free(cd);
    return last;
}

static void add_theirs(void)
{
    their_slot = add_foreign_at(last_free(), &kek, THEIRS, NULL, "{\"type\":\"clevis\",\"keyslots\":[]}");
}

static void add_theirs_without_token(void)
{
    their_slot = add_foreign_at(last_free(), &kek, THEIRS, NULL, NULL);
}

/* The slot that is being removed goes by another hand, and its number to another slot. */
static void replace_ours(void)
{
    struct crypt_device *cd = load_lock();

    if (crypt_keyslot_status(cd, aim) != CRYPT_SLOT_INACTIVE)
        CHECK_OK(crypt_keyslot_destroy(cd, aim));
    crypt_free(cd);
    add_theirs();
    CHECK(their_slot == aim);
}

static unsigned char copy[4 * 1024 * 1024];
static ssize_t copy_size;

static void keep_copy(void)
{
    _cleanup_close_ int fd = open(LOCK, O_RDONLY | O_CLOEXEC);

    copy_size = pread(fd, copy, sizeof(copy), 0);
    CHECK(copy_size > 0);
}

/* As clevis does when it cannot end a binding: all that was changed since is undone. */
static void put_back(void)
{
    _cleanup_close_ int fd = open(LOCK, O_WRONLY | O_CLOEXEC);

    CHECK(pwrite(fd, copy, (size_t) copy_size, 0) == copy_size);
}

static void add(void)
{
    int n;

    if (keyslots_add_method(LOCK, &kek, &method, STRETCH_KEY, token, false, &n, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        _exit(1);
    }
    *slot = n;
}

static void take_away(void)
{
    int r = keyslots_remove_method(LOCK, aim, &key, &e);

    if (r < 0 && (r != -ENOENT || intrude != replace_ours)) {
        (void) fprintf(stderr, "%s\n", e.text);
        _exit(1);
    }
}

static void rotate(void)
{
    if (keyslots_add(LOCK, &kek, &next, 2, NULL, &e) < 0 || keyslots_activate(LOCK, 2, &e) < 0 || keyslots_retire(LOCK, &next, 2, 0, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        _exit(1);
    }
}

/* A step may fail when what the one before it did is undone; nothing is said to be damaged that is not. */
static void must_be_whole(int r)
{
    if (r == 0 || r == -ENOENT || r == -EAGAIN || r == -EBUSY)
        return;
    (void) fprintf(stderr, "%s\n", e.text);
    _exit(1);
}

static void rotate_back_and_forth(void)
{
    must_be_whole(keyslots_add(LOCK, &kek, &next, 2, NULL, &e));
    must_be_whole(keyslots_activate(LOCK, 2, &e));
    must_be_whole(keyslots_retire(LOCK, &next, 2, 0, &e));
}

static void add_and_take_away(void)
{
    int n;

    must_be_whole(keyslots_add_method(LOCK, &kek, &method, STRETCH_KEY, token, false, &n, &e));
    must_be_whole(keyslots_remove_method(LOCK, n, &key, &e));
}

static void begin(void)
{
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    their_slot = aim = -1;
    moments++;
    keep_copy();
}

static void begin_removal(void)
{
    int n;

    begin();
    CHECK_TOLD(keyslots_add_method(LOCK, &kek, &method, STRETCH_KEY, token, false, &n, &e));
    aim = n;
}

static void check_theirs(void)
{
    struct keyslot s;

    if (their_slot < 0)
        return;
    CHECK_TOLD(keyslots_prove(LOCK, their_slot, &theirs, &s, &e));
    CHECK(s.state == KEYSLOT_FOREIGN);
}

/* Theirs, the unlock key's and so many others: nothing hidden, and no intent even before the next start collects. */
static void check_nothing_else(const struct secret *unlock_key, int others)
{
    CHECK_OK(try_key(unlock_key, &kek));
    check_theirs();
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 1 && count_used() == 1 + others + (their_slot >= 0));
    CHECK(count_tokens("clevis") == (intrude == add_theirs || intrude == replace_ours ? their_slot >= 0 : 0));
    check_collected();
    check_theirs();
}

static void check_added(void)
{
    CHECK_TOLD(keyslots_prove(LOCK, *slot, &method, NULL, &e));
    CHECK(count_tokens("systemd-recovery") == (token ? 1 : 0));
    check_nothing_else(&key, 1);
}

static void check_removed(void)
{
    /* Replaced before our intent is written (after load and proof, each with an unlock, and digest): then it is the number that counts. */
    if (intrude == replace_ours && (moments - 1) * STRIDE <= 5)
        their_slot = -1;
    CHECK(try_key(&method, &kek) == -EKEYREJECTED);
    CHECK(count_tokens("systemd-recovery") == 0 || intrude == replace_ours);
    check_nothing_else(&key, 0);
}

static void check_rotated(void)
{
    CHECK(try_key(&key, &kek) == -EKEYREJECTED);
    check_nothing_else(&next, 0);
}

/* Whoever has the KEK makes it good, without a restart. */
static void check_mended(void)
{
    CHECK(try_key(&key, &kek) == 0 || try_key(&next, &kek) == 0);
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    rotate();
    check_rotated();
}

/* The copy was made before the method came: it is there or not, and nothing of it is left behind. */
static void check_method_whole(void)
{
    check_collected();
    CHECK_OK(try_key(&key, &kek));
    if (try_key(&method, &kek) == 0)
        CHECK_TOLD(keyslots_remove_method(LOCK, KEYSLOTS_MAX - 1, &key, &e));
    check_nothing_else(&key, 0);
}

static void at_every_lock(const char *what, void (*how)(void), void (*work)(void), void (*check)(void), void (*before)(void))
{
    unsigned n;

    intrude = how;
    *intrusions = moments = 0;
    n = at_every(CALLS_LOCK, act, work, check, before, STRIDE);
    (void) printf("%s: %u moments, another program in %u\n", what, n, *intrusions);
    CHECK(n == 0 || *intrusions > 0);
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-intruder.XXXXXX";

    enter_folder(folder);
    kek = new_kek();
    key = new_key();
    next = new_key();
    method = text_of(METHOD);
    theirs = text_of(THEIRS);
    slot = mmap(NULL, sizeof(*slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    intrusions = mmap(NULL, sizeof(*intrusions), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(slot != MAP_FAILED && intrusions != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        token = i == 0 ? TOKEN : NULL;
        at_every_lock("adding, header touched", touch_header, add, check_added, begin);
        at_every_lock("adding, number taken", add_theirs, add, check_added, begin);
        at_every_lock("adding, number taken by a passphrase", add_theirs_without_token, add, check_added, begin);
        at_every_lock("removing, header touched", touch_header, take_away, check_removed, begin_removal);
        at_every_lock("removing, number taken", add_theirs, take_away, check_removed, begin_removal);
        at_every_lock("removing, replaced", replace_ours, take_away, check_removed, begin_removal);
    }
    token = TOKEN;
    at_every_lock("rotating, old header put back", put_back, rotate_back_and_forth, check_mended, begin);
    at_every_lock("a method, old header put back", put_back, add_and_take_away, check_method_whole, begin);
    at_every_lock("rotating, number taken", add_theirs, rotate, check_rotated, begin);
    at_every_lock("rotating, number taken by a passphrase", add_theirs_without_token, rotate, check_rotated, begin);
    secret_done(&kek);
    secret_done(&key);
    secret_done(&next);
    secret_done(&method);
    secret_done(&theirs);
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
