/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kills a process that adds or removes a method's keyslot: before each of its writes in turn, then at random moments. */
#include "kill-test.h"

#define ROUNDS SCALED(24)
#define METHOD "what the method found out"
#define TOKEN "{\"type\":\"systemd-recovery\",\"keyslots\":[]}"

enum step { NOTHING, BEGUN, DONE };

static struct secret kek, key, operator, tang, method;
static volatile enum step *step;
static volatile int *slot;
static enum keyslot_stretch stretch;
static const char *token;

static void add(void)
{
    int n;

    *step = BEGUN;
    if (keyslots_add_method(LOCK, &kek, &method, stretch, token, false, &n, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        _exit(1);
    }
    *slot = n;
    *step = DONE;
}

static void take_away(void)
{
    *step = BEGUN;
    if (keyslots_remove_method(LOCK, *slot, &key, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        _exit(1);
    }
    *step = DONE;
}

/* What was there before is there, in the list too, and opens. */
static void check_others(void)
{
    struct keyslot s;

    CHECK_OK(try_key(&key, &kek));
    CHECK_TOLD(keyslots_prove(LOCK, 0, &key, &s, &e));
    CHECK(s.state == KEYSLOT_ACTIVE && s.generation == 1);
    CHECK_TOLD(keyslots_prove(LOCK, 1, &operator, &s, &e));
    CHECK(strcmp(s.kind, "passphrase") == 0);
    CHECK_TOLD(keyslots_prove(LOCK, 2, &tang, &s, &e));
    CHECK(strcmp(s.kind, "clevis") == 0);
    CHECK(count_tokens("clevis") == 1);
}

/* The method's slot, if it is listed: then it opens, and has its token. -1 when it is not. */
static int find_method(void)
{
    struct keyslot s[KEYSLOTS_MAX], proven;
    int n = keyslots_list(LOCK, s, &e), found = -1;

    CHECK_TOLD(n);
    CHECK(n >= 3 && n <= 4);
    for (int i = 3; i < n; i++) {
        CHECK(s[i].state == KEYSLOT_FOREIGN && strcmp(s[i].kind, token ? "recovery" : "passphrase") == 0);
        CHECK_TOLD(keyslots_prove(LOCK, s[i].slot, &method, &proven, &e));
        CHECK_OK(try_key(&method, &kek));
        found = s[i].slot;
    }
    if (found < 0)
        CHECK(try_key(&method, &kek) == -EKEYREJECTED);
    return found;
}

/* Nothing half is left: a token for the slot when it has one, none otherwise. */
static int check_and_collect(void)
{
    int before = find_method(), after;

    check_others();
    check_collected();
    after = find_method();
    CHECK(before == after);
    check_others();
    CHECK(count_tokens("systemd-recovery") == (after >= 0 && token ? 1 : 0));
    return after;
}

static void check_added(void)
{
    int found = check_and_collect();

    CHECK(*step != DONE || found == *slot);
    if (found >= 0)
        CHECK_TOLD(keyslots_remove_method(LOCK, found, &key, &e));
    CHECK(count_used() == 3 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1 && count_tokens("systemd-recovery") == 0);
    *step = NOTHING;
}

static void check_removed(void)
{
    int found = check_and_collect();

    CHECK(*step != DONE || found < 0);
    *step = NOTHING;
}

/* A removal that was cut off may also be ended by another. */
static void check_removed_again(void)
{
    int r = keyslots_remove_method(LOCK, *slot, &key, &e);

    CHECK(r == 0 || (r == -ENOENT && find_method() < 0));
    CHECK(check_and_collect() < 0);
    *step = NOTHING;
}

static void before_removal(void)
{
    int n;

    if (find_method() < 0) {
        CHECK_TOLD(keyslots_add_method(LOCK, &kek, &method, stretch, token, false, &n, &e));
        *slot = n;
    }
}

static void kill_adding(const char *what, const char *its_token, enum keyslot_stretch its_stretch, unsigned stride)
{
    unsigned writes;

    token = its_token;
    stretch = its_stretch;
    writes = every_write(add, check_added, NULL, stride);
    (void) printf("adding %s: %u writes\n", what, writes);
}

static void kill_removing(const char *what, const char *its_token, unsigned stride)
{
    unsigned writes;

    token = its_token;
    stretch = STRETCH_KEY;
    writes = every_write(take_away, check_removed, before_removal, stride);
    (void) every_write(take_away, check_removed_again, before_removal, stride);
    (void) printf("removing %s: %u writes\n", what, writes);
}

static void kill_at_random(void)
{
    unsigned added = 0, removed = 0;

    token = TOKEN;
    for (int i = 0; i < ROUNDS; i++) {
        added += (unsigned) kill_after(add, (uint32_t) (rand() % 16000));
        check_added();
        before_removal();
        removed += (unsigned) kill_after(take_away, (uint32_t) (rand() % 16000));
        check_removed();
        if (find_method() >= 0)
            CHECK_TOLD(keyslots_remove_method(LOCK, *slot, &key, &e));
    }
    (void) printf("killed at random: %u of %d adding, %u removing\n", added, ROUNDS, removed);
}

int main(void)
{
    char folder[] = "/tmp/test-method-kill.XXXXXX";

    enter_folder(folder);
    kek = new_kek();
    key = new_key();
    operator = text_of(OPERATOR);
    tang = text_of("tang");
    method = text_of(METHOD);
    step = mmap(NULL, sizeof(*step), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    slot = mmap(NULL, sizeof(*slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(step != MAP_FAILED && slot != MAP_FAILED);
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    CHECK(add_foreign(&kek, OPERATOR, NULL, NULL) == 1);
    CHECK(add_foreign(&kek, "tang", NULL, "{\"type\":\"clevis\",\"keyslots\":[]}") == 2);

    kill_adding("with a token", TOKEN, STRETCH_KEY, SANITIZED ? 4 : 1);
    kill_adding("without a token", NULL, STRETCH_KEY, SANITIZED ? 4 : 1);
    kill_adding("a passphrase", NULL, STRETCH_HUMAN, SANITIZED ? 9 : 3);
    kill_removing("with a token", TOKEN, SANITIZED ? 4 : 1);
    kill_removing("without a token", NULL, SANITIZED ? 4 : 1);
    kill_at_random();
    secret_done(&kek);
    secret_done(&key);
    secret_done(&operator);
    secret_done(&tang);
    secret_done(&method);
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
