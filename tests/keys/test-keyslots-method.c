/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "keys-test.h"

#define TOKEN "{\"type\":\"systemd-recovery\",\"keyslots\":[]}"
#define TANG "{\"type\":\"clevis\",\"keyslots\":[\"5\"],\"jwe\":{}}"

static struct secret kek, key, method;

static double now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static void begin(void)
{
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
}

static int add(const char *passphrase, enum keyslot_stretch stretch, const char *token)
{
    _cleanup_(secret_done) struct secret text = text_of(passphrase);
    int slot = -1;

    CHECK_TOLD(keyslots_add_method(LOCK, &kek, &text, stretch, token, false, &slot, &e));
    return slot;
}

/* Like add, but refused, and then nothing is left behind. */
static int refused(const struct secret *with_kek, const struct secret *passphrase, enum keyslot_stretch stretch, const char *token)
{
    struct keyslot s[KEYSLOTS_MAX];
    int n = keyslots_list(LOCK, s, &e), tokens = count_tokens(KEYSLOT_TOKEN_TYPE), slot = -1, r;

    e.text[0] = '\0';
    r = keyslots_add_method(LOCK, with_kek, passphrase, stretch, token, false, &slot, &e);
    CHECK(r < 0 && slot == -1 && e.text[0] != '\0');
    CHECK(keyslots_list(LOCK, s, &e) == n && count_tokens(KEYSLOT_TOKEN_TYPE) == tokens);
    return r;
}

static struct keyslot listed(int slot)
{
    struct keyslot s[KEYSLOTS_MAX];
    int n = keyslots_list(LOCK, s, &e);

    CHECK_TOLD(n);
    for (int i = 0; i < n; i++)
        if (s[i].slot == slot)
            return s[i];
    return (struct keyslot) { .slot = -1 };
}

static struct crypt_pbkdf_type pbkdf_of(int slot)
{
    struct crypt_device *cd = load_lock();
    struct crypt_pbkdf_type pbkdf;
    bool is_argon;

    CHECK_OK(crypt_keyslot_get_pbkdf(cd, slot, &pbkdf));
    is_argon = strcmp(pbkdf.type, CRYPT_KDF_ARGON2ID) == 0;
    CHECK(is_argon || (strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) == 0 && strcmp(pbkdf.hash, "sha256") == 0));
    pbkdf.type = is_argon ? CRYPT_KDF_ARGON2ID : CRYPT_KDF_PBKDF2;
    pbkdf.hash = NULL;
    crypt_free(cd);
    return pbkdf;
}

static void test_add(void)
{
    char *token;
    int slot;

    begin();
    CHECK(add("found out", STRETCH_KEY, TANG) == 7); /* from the end, as others begin at 0 */
    CHECK(listed(7).state == KEYSLOT_FOREIGN && listed(7).generation == 0 && strcmp(listed(7).kind, "clevis") == 0);
    CHECK(strcmp(pbkdf_of(7).type, CRYPT_KDF_PBKDF2) == 0 && pbkdf_of(7).iterations > 1000 && pbkdf_of(7).iterations < 2000);
    CHECK_TOLD(keyslots_token(LOCK, 7, &token, &e));
    CHECK(strstr(token, "\"keyslots\":[\"7\"]") && strstr(token, "\"jwe\":{")); /* the slot's number, whatever was given */
    free(token);
    CHECK(add("recovery", STRETCH_KEY, TOKEN) == 6 && strcmp(listed(6).kind, "recovery") == 0);
    CHECK(add("nothing", STRETCH_KEY, NULL) == 5 && strcmp(listed(5).kind, "passphrase") == 0);
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    {
        static const char *const words[] = { "found out", "recovery", "nothing" };

        for (unsigned i = 0; i < ELEMENTSOF(words); i++) {
            _cleanup_(secret_done) struct secret text = text_of(words[i]), found = SECRET_NULL;
            struct keyslot s;

            CHECK_TOLD(keyslots_open(LOCK, &text, &found, &s, &e));
            CHECK(s.slot == 7 - (int) i && memcmp(found.data, kek.data, KEK_SIZE) == 0);
        }
    }
    /* a gap is filled */
    CHECK_TOLD(keyslots_remove_method(LOCK, 7, &key, &e));
    slot = add("again", STRETCH_KEY, NULL);
    CHECK(slot == 7);
}

/* A person's word: what docs/FORMATS.md says, every time, and it takes neither 66 MiB nor a second. */
static void test_passphrase(void)
{
    double began;

    begin();
    for (int i = 0; i < 3; i++) {
        _cleanup_(secret_done) struct secret word = text_of("hunter2"), wrong = text_of("hunter3");
        struct crypt_pbkdf_type pbkdf;
        int slot;

        began = now_ms();
        slot = add("hunter2", STRETCH_HUMAN, NULL);
        (void) printf("a passphrase added in %.0f ms", now_ms() - began);
        pbkdf = pbkdf_of(slot);
        CHECK(strcmp(pbkdf.type, CRYPT_KDF_ARGON2ID) == 0 && pbkdf.iterations == 4 && pbkdf.parallel_threads == 1);
        CHECK(pbkdf.max_memory_kb > 64 * 1024 && pbkdf.max_memory_kb <= 65 * 1024);
        began = now_ms();
        CHECK_OK(try_key(&word, &kek));
        (void) printf(", tried in %.0f ms, %u KiB\n", now_ms() - began, pbkdf.max_memory_kb);
        CHECK(try_key(&wrong, &kek) == -EKEYREJECTED);
        CHECK_TOLD(keyslots_remove_method(LOCK, slot, &key, &e));
    }
    /* It would never be tried: a wrong unlock key is refused fast. */
    CHECK(refused(&kek, &key, STRETCH_HUMAN, NULL) == -EINVAL && strstr(e.text, "unlock key"));
}

/* The last free slot is the next unlock key's. */
static void test_one_free(void)
{
    _cleanup_(secret_done) struct secret next = new_key();
    int slot;

    begin();
    for (int i = 1; i < KEYSLOTS_MAX - 1; i++)
        CHECK(add("word", STRETCH_KEY, i % 2 ? TOKEN : NULL) == KEYSLOTS_MAX - i);
    CHECK(refused(&kek, &method, STRETCH_KEY, TOKEN) == -ENOSPC && strstr(e.text, "keyslot remove"));
    CHECK_TOLD(keyslots_add(LOCK, &kek, &next, 2, NULL, &e));
    CHECK(refused(&kek, &method, STRETCH_KEY, TOKEN) == -ENOSPC);
    CHECK(keyslots_add_method(LOCK, &kek, &method, STRETCH_KEY, TOKEN, true, &slot, &e) == -ENOSPC);
    CHECK_TOLD(keyslots_retire(LOCK, &next, 2, 0, &e));
    /* one that replaces another may have it for a moment */
    CHECK_TOLD(keyslots_add_method(LOCK, &kek, &method, STRETCH_KEY, TOKEN, true, &slot, &e));
    CHECK(slot == 0 && strcmp(listed(0).kind, "recovery") == 0);
    CHECK_TOLD(keyslots_remove_method(LOCK, 7, &next, &e));
    CHECK_OK(try_key(&method, &kek));
    CHECK(refused(&kek, &method, STRETCH_KEY, TOKEN) == -ENOSPC);
}

/* Other tools take any number up to 31: the room for areas is what counts. */
static void test_high_numbers(void)
{
    const struct crypt_pbkdf_type quick = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 1000,
                                            .flags = CRYPT_PBKDF_NO_BENCHMARK };
    _cleanup_(secret_done) struct secret next = new_key();
    struct crypt_device *cd;

    begin();
    cd = load_lock();
    CHECK_OK(crypt_set_pbkdf_type(cd, &quick));
    for (int slot = 20; slot < 26; slot++)
        CHECK(crypt_keyslot_add_by_volume_key(cd, slot, (char *) kek.data, kek.size, "x", 1) == slot);
    crypt_free(cd);
    CHECK(refused(&kek, &method, STRETCH_KEY, TOKEN) == -ENOSPC);
    CHECK_TOLD(keyslots_add(LOCK, &kek, &next, 2, NULL, &e));
    {
        _cleanup_(secret_done) struct secret third = new_key();

        CHECK(keyslots_add(LOCK, &kek, &third, 3, NULL, &e) == -ENOSPC && strstr(e.text, "free keyslot"));
    }
    CHECK_TOLD(keyslots_remove_method(LOCK, 25, &key, &e));
    CHECK(listed(25).slot == -1 && listed(24).slot == 24);
}

static void test_refused(void)
{
    static const char *const tokens[] = {
        "", "{", "null", "[]", "\"clevis\"", "{}", "{\"type\":7}", "{\"type\":null}", "{\"type\":\"clevis\"} x",
        "{\"type\":\"clevis\",\"type\":\"clevis\"}", "{\"type\":\"clevis\",\"x\":\"\\u0000\"}", "{\"type\":\"clevis\",\"x\":\"\xff\"}",
        "{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":1,\"gen\":9,\"state\":\"active\"}",
        "{\"type\":\"luks2-keyring\"}", "{\"type\":\"luks2-new\"}",
    };
    _cleanup_(secret_done) struct secret other = new_kek();
    char *big = malloc(70000), deep[256] = "{\"type\":\"clevis\",\"x\":";

    begin();
    for (unsigned i = 0; i < ELEMENTSOF(tokens); i++) {
        int r = refused(&kek, &method, STRETCH_KEY, tokens[i]);

        if (r != -EINVAL)
            (void) fprintf(stderr, "%s: %s\n", tokens[i], e.text);
        CHECK(r == -EINVAL && strstr(e.text, "token"));
    }
    for (int i = 0; i < 40; i++)
        (void) strcat(deep, "[");
    for (int i = 0; i < 40; i++)
        (void) strcat(deep, "]");
    (void) strcat(deep, "}");
    CHECK(refused(&kek, &method, STRETCH_KEY, deep) == -EINVAL);
    CHECK(big);
    memset(big, 'x', 69999);
    memcpy(big, "{\"type\":\"clevis\",\"x\":\"", 22);
    (void) strcpy(big + 69997, "\"}");
    CHECK(refused(&kek, &method, STRETCH_KEY, big) == -ENOSPC);
    free(big);
    CHECK(refused(&other, &method, STRETCH_KEY, TOKEN) == -EKEYREJECTED);
    CHECK(keyslots_add_method("none/" LOCK, &kek, &method, STRETCH_KEY, TOKEN, false, &(int) { 0 }, &e) == -ENOENT);
    CHECK_OK(try_key(&key, &kek));
}

/* Leftovers of other tools fill the table of tokens: said, not tried for ever. */
static void test_no_token_left(void)
{
    _cleanup_(secret_done) struct secret next = new_key();
    struct crypt_device *cd;
    int slot;

    begin();
    slot = add("word", STRETCH_KEY, NULL);
    cd = load_lock();
    for (int i = 1; i < 32; i++)
        CHECK_OK(crypt_token_json_set(cd, CRYPT_ANY_TOKEN, "{\"type\":\"clevis\",\"keyslots\":[]}"));
    CHECK(refused(&kek, &method, STRETCH_KEY, TOKEN) == -ENOSPC && strstr(e.text, "token remove"));
    CHECK(keyslots_add(LOCK, &kek, &next, 2, NULL, &e) == -ENOSPC && strstr(e.text, "token remove"));
    CHECK(keyslots_remove_method(LOCK, slot, &key, &e) == -ENOSPC);
    crypt_free(cd);
    cd = load_lock();
    CHECK_OK(crypt_token_json_set(cd, 31, NULL));
    crypt_free(cd);
    /* room for the intent, none for the method's token */
    CHECK(refused(&kek, &method, STRETCH_KEY, TOKEN) == -ENOSPC && strstr(e.text, "token remove"));
    CHECK_TOLD(keyslots_add(LOCK, &kek, &next, 2, NULL, &e));
}

static void test_prove(void)
{
    _cleanup_(secret_done) struct secret word = text_of("word"), line = SECRET_NULL, wrong = text_of("Word");
    static const int none[] = { -1, 1, 6, 8, 31, 32, 1000000 };
    char area[KEYSLOT_AREA_LEN + 1], again[KEYSLOT_AREA_LEN + 1], *token = NULL;
    struct keyslot s;
    int slot;

    begin();
    CHECK_OK(secret_new(key.size + 1, &line));
    memcpy(line.data, key.data, key.size);
    line.data[key.size] = '\n';
    slot = add("word", STRETCH_KEY, NULL);
    CHECK_TOLD(keyslots_prove(LOCK, slot, &word, &s, &e));
    CHECK(s.slot == slot && s.state == KEYSLOT_FOREIGN);
    CHECK_TOLD(keyslots_prove(LOCK, 0, &key, NULL, &e));
    CHECK_TOLD(keyslots_prove(LOCK, 0, &line, &s, &e));
    CHECK(s.state == KEYSLOT_ACTIVE && s.generation == 1);
    CHECK(keyslots_prove(LOCK, 0, &word, NULL, &e) == -EKEYREJECTED && strstr(e.text, "keyslot 0"));
    CHECK(keyslots_prove(LOCK, slot, &key, NULL, &e) == -EKEYREJECTED);
    CHECK(keyslots_prove(LOCK, slot, &wrong, NULL, &e) == -EKEYREJECTED);
    for (unsigned i = 0; i < ELEMENTSOF(none); i++) {
        CHECK(keyslots_prove(LOCK, none[i], &word, NULL, &e) == -ENOENT && strstr(e.text, "keyslot ls"));
        CHECK(keyslots_token(LOCK, none[i], &token, &e) == -ENOENT && !token);
        CHECK(keyslots_area(LOCK, none[i], area, &e) == -ENOENT);
        CHECK(keyslots_remove_method(LOCK, none[i], &key, &e) == -ENOENT);
    }
    CHECK(keyslots_token(LOCK, slot, &token, &e) == -ENOENT && keyslots_token(LOCK, 0, &token, &e) == -ENOENT && !token);
    CHECK_TOLD(keyslots_area(LOCK, slot, area, &e));
    CHECK(strlen(area) == KEYSLOT_AREA_LEN);
    CHECK_TOLD(keyslots_remove_method(LOCK, slot, &key, &e));
    CHECK(add("word", STRETCH_KEY, NULL) == slot);
    CHECK_TOLD(keyslots_area(LOCK, slot, again, &e));
    CHECK(strcmp(area, again) != 0);
}

static void test_remove(void)
{
    _cleanup_(secret_done) struct secret word = text_of("word"), other = new_key(), line = SECRET_NULL;
    int slot;

    begin();
    CHECK(keyslots_remove_method(LOCK, 0, &key, &e) == -EBUSY && strstr(e.text, "last way"));
    slot = add("word", STRETCH_KEY, TOKEN);
    CHECK(keyslots_remove_method(LOCK, 0, &key, &e) == -EBUSY && strstr(e.text, "unlock-key --rotate"));
    CHECK(keyslots_remove_method(LOCK, slot, &other, &e) == -EBUSY);
    CHECK(keyslots_remove_method(LOCK, slot, &word, &e) == -EBUSY); /* what is removed is no proof */
    CHECK_OK(try_key(&word, &kek));
    CHECK(count_tokens("systemd-recovery") == 1 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    CHECK_OK(secret_new(key.size + 1, &line));
    memcpy(line.data, key.data, key.size);
    line.data[key.size] = '\n';
    CHECK_TOLD(keyslots_remove_method(LOCK, slot, &line, &e));
    CHECK(try_key(&word, &kek) == -EKEYREJECTED);
    CHECK(count_tokens("systemd-recovery") == 0 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    CHECK(keyslots_remove_method(LOCK, slot, &key, &e) == -ENOENT);
    CHECK_OK(try_key(&key, &kek));
}

/* The unlock key's slot was removed by another tool, so only the method is left: it stays. */
static void test_remove_last_that_opens(void)
{
    struct crypt_device *cd;
    int one, two;

    begin();
    one = add("word", STRETCH_KEY, TOKEN);
    two = add("word", STRETCH_KEY, NULL);
    cd = load_lock();
    CHECK_OK(crypt_keyslot_destroy(cd, 0));
    crypt_free(cd);
    CHECK(keyslots_remove_method(LOCK, one, &key, &e) == -EBUSY && strstr(e.text, "unlock key"));
    CHECK(keyslots_remove_method(LOCK, two, &key, &e) == -EBUSY);
    CHECK(listed(one).slot == one && listed(two).slot == two);
    CHECK_TOLD(keyslots_add(LOCK, &kek, &key, 1, NULL, &e));
    CHECK_TOLD(keyslots_remove_method(LOCK, one, &key, &e));
}

static void test_tokens(void)
{
    _cleanup_(secret_done) struct secret word = text_of("word");
    struct crypt_device *cd;
    int one, two, three, shared;
    char *token;

    begin();
    one = add("word", STRETCH_KEY, TOKEN);
    two = add("word", STRETCH_KEY, TANG);
    three = add("three", STRETCH_KEY, TOKEN);
    cd = load_lock();
    shared = crypt_token_json_set(cd, CRYPT_ANY_TOKEN, "{\"type\":\"swarm-shared\",\"keyslots\":[]}");
    CHECK_OK(shared);
    CHECK_OK(crypt_token_assign_keyslot(cd, shared, one));
    CHECK_OK(crypt_token_assign_keyslot(cd, shared, two));
    CHECK_OK(crypt_token_json_set(cd, CRYPT_ANY_TOKEN, "{\"type\":\"swarm-more\",\"keyslots\":[\"7\"]}"));
    CHECK_OK(crypt_token_json_set(cd, CRYPT_ANY_TOKEN, "{\"type\":\"swarm-none\",\"keyslots\":[]}"));
    crypt_free(cd);

    /* all of its own go, the shared one stays with the other */
    CHECK_TOLD(keyslots_remove_method(LOCK, one, &key, &e));
    CHECK(count_tokens("systemd-recovery") == 1 && count_tokens("swarm-more") == 0 && count_tokens("swarm-none") == 1);
    cd = load_lock();
    CHECK(crypt_token_is_assigned(cd, shared, two) == 0 && crypt_token_is_assigned(cd, shared, one) != 0);
    crypt_free(cd);
    CHECK_TOLD(keyslots_token(LOCK, two, &token, &e));
    CHECK(strstr(token, "clevis") || strstr(token, "swarm-shared"));
    free(token);
    CHECK_TOLD(keyslots_remove_method(LOCK, two, &key, &e));
    CHECK(count_tokens("swarm-shared") == 0 && count_tokens("clevis") == 0 && count_tokens("swarm-none") == 1);

    /* its token was removed by hand: a passphrase, then nothing */
    cd = load_lock();
    for (int id = 0; id < 32; id++)
        if (crypt_token_is_assigned(cd, id, three) == 0)
            CHECK_OK(crypt_token_json_set(cd, id, NULL));
    crypt_free(cd);
    CHECK(strcmp(listed(three).kind, "passphrase") == 0);
    CHECK_TOLD(keyslots_remove_method(LOCK, three, &key, &e));
    CHECK(listed(three).slot == -1 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
}

/* A slot on its way in or out is nobody's until that is collected. */
static void test_intents(void)
{
    _cleanup_(secret_done) struct secret word = text_of("word");
    struct crypt_device *cd;
    char area[KEYSLOT_AREA_LEN + 1], *token;
    int slot;

    begin();
    slot = add("word", STRETCH_KEY, TOKEN);
    cd = load_lock();
    CHECK_OK(crypt_token_json_set(cd, CRYPT_ANY_TOKEN,
                                  "{\"type\":\"swarm-unlock\",\"keyslots\":[\"7\"],\"version\":1,\"gen\":0,\"state\":\"destroying\","
                                  "\"area\":\"0000000000000000000000000000000000000000000000000000000000000000\"}"));
    crypt_free(cd);
    CHECK(slot == 7 && listed(7).slot == -1 && try_key(&word, &kek) == -EKEYREJECTED);
    CHECK(keyslots_prove(LOCK, 7, &word, NULL, &e) == -ENOENT && keyslots_area(LOCK, 7, area, &e) == -ENOENT);
    CHECK(keyslots_token(LOCK, 7, &token, &e) == -ENOENT);
    CHECK_TOLD(keyslots_remove_method(LOCK, 7, &key, &e)); /* asked for again: goes on */
    CHECK(count_tokens("systemd-recovery") == 0 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1);

    slot = add("word", STRETCH_KEY, TOKEN);
    cd = load_lock();
    CHECK_OK(crypt_token_json_set(cd, CRYPT_ANY_TOKEN,
                                  "{\"type\":\"swarm-unlock\",\"keyslots\":[\"7\"],\"version\":1,\"gen\":0,\"state\":\"destroying\","
                                  "\"area\":\"0000000000000000000000000000000000000000000000000000000000000000\"}"));
    crypt_free(cd);
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    CHECK(count_tokens("systemd-recovery") == 0 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    CHECK_OK(try_key(&key, &kek));
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-method.XXXXXX";

    enter_folder(folder);
    kek = new_kek();
    key = new_key();
    method = text_of("method");
    test_add();
    test_passphrase();
    test_one_free();
    test_high_numbers();
    test_refused();
    test_no_token_left();
    test_prove();
    test_remove();
    test_remove_last_that_opens();
    test_tokens();
    test_intents();
    secret_done(&kek);
    secret_done(&key);
    secret_done(&method);
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
