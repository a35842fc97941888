/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keys-test.h"

static double now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static void test_create_and_open(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), wrong = new_key(), found = SECRET_NULL;
    uint64_t one, two;
    struct keyslot slot;
    struct stat st;

    CHECK(try_key(&key, &kek) == -ENOENT);
    CHECK(keyslots_sequence(LOCK, &one, &e) == -ENOENT && strstr(e.text, LOCK));
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 7, KEYSLOT_ACTIVE, &e));
    CHECK(stat(LOCK, &st) == 0 && st.st_size == 2195456 && (st.st_mode & 0777) == 0600 && st.st_nlink == 1);
    CHECK(access("." LOCK ".new", F_OK) < 0);
    CHECK_TOLD(keyslots_open(LOCK, &key, &found, &slot, &e));
    CHECK(slot.slot == 0 && slot.generation == 7 && slot.state == KEYSLOT_ACTIVE && strcmp(slot.kind, "unlock-key") == 0);
    CHECK_OK(try_key(&key, &kek));
    CHECK(try_key(&wrong, &kek) == -EKEYREJECTED && strstr(e.text, LOCK));
    CHECK_TOLD(keyslots_sequence(LOCK, &one, &e));
    CHECK_TOLD(keyslots_add(LOCK, &kek, &wrong, 8, NULL, &e));
    CHECK_TOLD(keyslots_sequence(LOCK, &two, &e));
    CHECK(two > one);

    secret_truncate(&kek, 32);
    CHECK(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e) == -EINVAL);
    CHECK_OK(keyslots_open(LOCK, &key, &found, NULL, &e));
}

/* A key's text with other spare bits, or a newline, is the same key. */
static void test_variants(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), variant = SECRET_NULL, line = SECRET_NULL;
    size_t at;

    CHECK_OK(secret_new(UNLOCK_KEY_TEXT_LEN + 1, &line));
    memcpy(line.data, key.data, UNLOCK_KEY_TEXT_LEN);
    line.data[UNLOCK_KEY_TEXT_LEN] = '\n';
    CHECK_OK(secret_copy(key.data, key.size, &variant));
    at = (size_t) (strchr(digits, key.data[UNLOCK_KEY_TEXT_LEN - 1]) - digits);
    variant.data[UNLOCK_KEY_TEXT_LEN - 1] = (unsigned char) digits[at ^ 1];
    CHECK_TOLD(keyslots_create(LOCK, &kek, &variant, 1, KEYSLOT_ACTIVE, &e));
    CHECK_OK(try_key(&key, &kek));
    CHECK_OK(try_key(&variant, &kek));
    CHECK_OK(try_key(&line, &kek));
}

static void test_rotation(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), other_kek = new_kek(), a = new_key(), b = new_key(), c = new_key();
    struct keyslot s[KEYSLOTS_MAX];

    CHECK_TOLD(keyslots_create(LOCK, &kek, &a, 1, KEYSLOT_ACTIVE, &e));
    CHECK(add_foreign(&kek, OPERATOR, NULL, NULL) == 1);
    CHECK(add_foreign(&kek, "tang", NULL, "{\"type\":\"clevis\",\"keyslots\":[],\"jwe\":{}}") == 2);

    CHECK(keyslots_add(LOCK, &other_kek, &b, 2, NULL, &e) == -EKEYREJECTED);
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    CHECK(keyslots_activate(LOCK, 2, &e) == -ENOENT && strstr(e.text, "generation 2"));
    CHECK(keyslots_retire(LOCK, &b, 2, 0, &e) == -ENOENT);
    CHECK_TOLD(keyslots_add(LOCK, &kek, &b, 2, NULL, &e));
    CHECK_OK(try_key(&a, &kek));
    CHECK_OK(try_key(&b, &kek));
    CHECK(keyslots_list(LOCK, s, &e) == 4);
    CHECK(s[0].state == KEYSLOT_ACTIVE && s[0].generation == 1);
    CHECK(s[1].state == KEYSLOT_FOREIGN && s[1].generation == 0 && strcmp(s[1].kind, "passphrase") == 0);
    CHECK(s[2].state == KEYSLOT_FOREIGN && strcmp(s[2].kind, "clevis") == 0);
    CHECK(s[3].state == KEYSLOT_PENDING && s[3].generation == 2 && strcmp(s[3].kind, "unlock-key") == 0);

    CHECK_TOLD(keyslots_add(LOCK, &kek, &b, 2, NULL, &e)); /* once more: nothing */
    CHECK(keyslots_list(LOCK, s, &e) == 4);
    CHECK(keyslots_add(LOCK, &kek, &c, 1, NULL, &e) == -EEXIST); /* an active generation never gets another key */
    CHECK_TOLD(keyslots_add(LOCK, &kek, &c, 2, NULL, &e));       /* one that nobody has seen yet may */
    CHECK(try_key(&b, &kek) == -EKEYREJECTED);
    CHECK_OK(try_key(&c, &kek));

    CHECK_TOLD(keyslots_activate(LOCK, 2, &e));
    CHECK(count_slots(KEYSLOT_ACTIVE) == 1 && count_slots(KEYSLOT_RETIRING) == 1);
    CHECK(keyslots_retire(LOCK, &a, 2, 0, &e) == -EKEYREJECTED);
    CHECK_OK(try_key(&a, &kek));
    CHECK_TOLD(keyslots_retire(LOCK, &c, 2, 0, &e));
    CHECK(try_key(&a, &kek) == -EKEYREJECTED);
    CHECK_OK(try_key(&c, &kek));
    CHECK(keyslots_list(LOCK, s, &e) == 3 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1 && count_tokens("clevis") == 1);
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    CHECK(keyslots_list(LOCK, s, &e) == 3);
    {
        _cleanup_(secret_done) struct secret operator = text_of(OPERATOR), tang = text_of("tang");

        CHECK_OK(try_key(&operator, &kek));
        CHECK_OK(try_key(&tang, &kek));
    }
}

static void test_full(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key();

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    for (uint32_t g = 2; g <= KEYSLOTS_MAX; g++) {
        _cleanup_(secret_done) struct secret k = new_key();

        CHECK_TOLD(keyslots_add(LOCK, &kek, &k, g, NULL, &e));
    }
    {
        _cleanup_(secret_done) struct secret k = new_key();

        CHECK(keyslots_add(LOCK, &kek, &k, 9, NULL, &e) == -ENOSPC && strstr(e.text, LOCK));
    }
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == KEYSLOTS_MAX && count_slots(KEYSLOT_PENDING) == KEYSLOTS_MAX - 1);
    CHECK_TOLD(keyslots_retire(LOCK, &key, 1, 0, &e));
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    CHECK_OK(try_key(&key, &kek));
}

/* Leftovers as a crash leaves them, and beside each a foreign slot that only looks alike. */
static void test_collect(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), operator = text_of(OPERATOR), lost = text_of("lost");
    const struct crypt_pbkdf_type ours = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 1234,
                                           .flags = CRYPT_PBKDF_NO_BENCHMARK };
    struct crypt_device *cd;

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    CHECK_OK(file_write("." LOCK ".new", "half a header", 13, 0600, &e));
    CHECK(add_foreign(&kek, OPERATOR, NULL, NULL) == 1);
    CHECK(add_foreign(&kek, "lost", &ours, NULL) == 2);
    CHECK(add_foreign(&kek, "bound", &ours, "{\"type\":\"clevis\",\"keyslots\":[]}") == 3);
    cd = load_lock();
    /* taken by the operator since; filled by us; taken by clevis; never filled; a slot removed by hand; a newer program's; not ours */
    static const char *const tokens[] = {
        "{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":1,\"gen\":2,\"state\":\"adding\",\"slot\":1,\"iterations\":1234}",
        "{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":1,\"gen\":2,\"state\":\"adding\",\"slot\":2,\"iterations\":1234}",
        "{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":1,\"gen\":2,\"state\":\"adding\",\"slot\":3,\"iterations\":1234}",
        "{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":1,\"gen\":2,\"state\":\"adding\",\"slot\":9,\"iterations\":1234}",
        ("{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":1,\"gen\":2,\"state\":\"retiring\","
         "\"area\":\"0000000000000000000000000000000000000000000000000000000000000000\"}"),
        "{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":2,\"later\":true}",
        "{\"type\":\"swarm-other\",\"keyslots\":[],\"version\":1,\"gen\":2,\"state\":\"adding\",\"slot\":1,\"iterations\":1000}",
    };
    for (unsigned i = 0; i < ELEMENTSOF(tokens); i++)
        CHECK_OK(crypt_token_json_set(cd, CRYPT_ANY_TOKEN, tokens[i]));
    crypt_free(cd);

    CHECK(try_key(&lost, &kek) == -EKEYREJECTED); /* not proven, so not a key yet */
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    CHECK(access("." LOCK ".new", F_OK) < 0);
    CHECK(count_tokens(KEYSLOT_TOKEN_TYPE) == 2 && count_tokens("swarm-other") == 1 && count_tokens("clevis") == 1);
    CHECK(count_slots(KEYSLOT_FOREIGN) == 2);
    CHECK_OK(try_key(&key, &kek));
    CHECK_OK(try_key(&operator, &kek));
}

/* Adding goes on where a run that was cut off had come to. */
static void test_resume(void)
{
    const struct crypt_pbkdf_type ours = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 1234,
                                           .flags = CRYPT_PBKDF_NO_BENCHMARK };
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), next = new_key();
    char text[UNLOCK_KEY_TEXT_LEN + 1] = "";
    struct keyslot s[KEYSLOTS_MAX];
    struct crypt_device *cd;
    uint64_t one, two;

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    memcpy(text, next.data, UNLOCK_KEY_TEXT_LEN);
    CHECK(add_foreign(&kek, text, &ours, NULL) == 1);
    cd = load_lock();
    CHECK_OK(crypt_token_json_set(cd, CRYPT_ANY_TOKEN, "{\"type\":\"swarm-unlock\",\"keyslots\":[],\"version\":1,\"gen\":2,"
                                                       "\"state\":\"adding\",\"slot\":1,\"iterations\":1234}"));
    crypt_free(cd);
    CHECK_TOLD(keyslots_sequence(LOCK, &one, &e));
    CHECK_TOLD(keyslots_add(LOCK, &kek, &next, 2, NULL, &e));
    CHECK_TOLD(keyslots_sequence(LOCK, &two, &e));
    CHECK(two == one + 1); /* the token, nothing else */
    CHECK(keyslots_list(LOCK, s, &e) == 2 && s[1].slot == 1 && s[1].state == KEYSLOT_PENDING && s[1].generation == 2);
    CHECK_OK(try_key(&next, &kek));
}

/* The mark of a destruction on the only slot: proof that there was another once, but it is gone. */
static void test_collect_last(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key();
    struct crypt_device *cd;

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    cd = load_lock();
    CHECK_OK(crypt_token_json_set(cd, 0,
                                  "{\"type\":\"swarm-unlock\",\"keyslots\":[\"0\"],\"version\":1,\"gen\":1,\"state\":\"destroying\","
                                  "\"area\":\"0000000000000000000000000000000000000000000000000000000000000000\"}"));
    crypt_free(cd);
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    cd = load_lock();
    CHECK(crypt_keyslot_status(cd, 0) == CRYPT_SLOT_ACTIVE_LAST);
    crypt_free(cd);
}

/* Wrong keys are refused fast, whatever costly slots others have made; those are tried for passphrases only. */
static void test_costly(void)
{
    const struct crypt_pbkdf_type argon = { .type = CRYPT_KDF_ARGON2ID, .iterations = 4, .max_memory_kb = 65536,
                                            .parallel_threads = 1, .flags = CRYPT_PBKDF_NO_BENCHMARK };
    const struct crypt_pbkdf_type greedy = { .type = CRYPT_KDF_ARGON2ID, .iterations = 65, .max_memory_kb = 32,
                                             .parallel_threads = 1, .flags = CRYPT_PBKDF_NO_BENCHMARK };
    const struct crypt_pbkdf_type slow = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 500000,
                                           .flags = CRYPT_PBKDF_NO_BENCHMARK };
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), wrong = new_key(), operator = text_of(OPERATOR);
    _cleanup_(secret_done) struct secret passes = text_of("65 passes");
    double began;

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    (void) add_foreign(&kek, "slow", &slow, NULL);
    (void) add_foreign(&kek, OPERATOR, &argon, NULL);
    (void) add_foreign(&kek, "65 passes", &greedy, NULL);
    began = now_ms();
    CHECK(try_key(&wrong, &kek) == -EKEYREJECTED);
    CHECK(now_ms() - began < 100);
    CHECK_OK(try_key(&operator, &kek));
    CHECK(try_key(&passes, &kek) == -EKEYREJECTED); /* over our limit */
}

static int shell(const char *command, const struct secret *input)
{
    FILE *f = popen(command, "we");

    CHECK(f);
    (void) fwrite(input->data, 1, input->size, f);
    return WEXITSTATUS(pclose(f));
}

static void test_cryptsetup(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), wrong = new_key();

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 3, KEYSLOT_ACTIVE, &e));
    if (system("cryptsetup --version >/dev/null 2>&1") != 0) {
        (void) fprintf(stderr, "not tried: the cryptsetup command, which is not here\n");
        return;
    }
    CHECK(system("cryptsetup luksDump " LOCK " >dump") == 0);
    CHECK(system("grep -q swarm-unlock dump") == 0);
    CHECK(shell("cryptsetup open --test-passphrase " LOCK, &key) == 0);
    CHECK(shell("cryptsetup open --test-passphrase " LOCK " 2>/dev/null", &wrong) == 2);
    CHECK(shell("cryptsetup luksAddKey -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file=- " LOCK " dump", &key) == 0);
    CHECK(count_slots(KEYSLOT_FOREIGN) == 1);
    CHECK_TOLD(keyslots_add(LOCK, &kek, &wrong, 4, NULL, &e));
    CHECK_TOLD(keyslots_retire(LOCK, &wrong, 4, 0, &e));
    CHECK(shell("cryptsetup open --test-passphrase " LOCK, &wrong) == 0);
    CHECK(system("cryptsetup open --test-passphrase --key-file=dump " LOCK) == 0);
    CHECK(unlink("dump") == 0);
}

/* No room: the error is told, and the old lock still opens. */
static void test_no_room(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), kek2 = new_kek(), key = new_key(), key2 = new_key();
    struct rlimit old, little = { 1024 * 1024, RLIM_INFINITY };

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    little.rlim_max = old.rlim_max;
    (void) signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &little) == 0);
    CHECK(keyslots_create(LOCK, &kek2, &key2, 2, KEYSLOT_ACTIVE, &e) < 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK(access("." LOCK ".new", F_OK) < 0);
    CHECK_OK(try_key(&key, &kek));
    CHECK(keyslots_create("none/" LOCK, &kek2, &key2, 2, KEYSLOT_ACTIVE, &e) == -ENOENT && strstr(e.text, "none/"));
}

/* Replacing and erasing leave nothing of the old header in the old file. */
static void test_erase(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), kek2 = new_kek(), key2 = new_key();
    _cleanup_close_ int one = -1, two = -1;
    char magic[6];

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    one = open(LOCK, O_RDONLY | O_CLOEXEC);
    CHECK_TOLD(keyslots_create(LOCK, &kek2, &key2, 2, KEYSLOT_PENDING, &e));
    CHECK(try_key(&key, &kek) == -EKEYREJECTED);
    CHECK_OK(try_key(&key2, &kek2));
    CHECK(count_slots(KEYSLOT_PENDING) == 1);
    CHECK(pread(one, magic, 6, 0) == 6 && memcmp(magic, "LUKS\xba\xbe", 6) != 0);
    two = open(LOCK, O_RDONLY | O_CLOEXEC);
    CHECK(pread(two, magic, 6, 0) == 6 && memcmp(magic, "LUKS\xba\xbe", 6) == 0);
    CHECK_OK(file_write("." LOCK ".new", "x", 1, 0600, &e));
    CHECK_TOLD(keyslots_erase(LOCK, &e));
    CHECK(pread(two, magic, 6, 0) == 6 && memcmp(magic, "LUKS\xba\xbe", 6) != 0);
    CHECK(access(LOCK, F_OK) < 0 && access("." LOCK ".new", F_OK) < 0);
    CHECK_TOLD(keyslots_erase(LOCK, &e));
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots.XXXXXX";

    enter_folder(folder);
    test_create_and_open();
    test_variants();
    test_rotation();
    test_full();
    test_collect();
    test_resume();
    test_collect_last();
    test_costly();
    test_cryptsetup();
    test_no_room();
    test_erase();
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
