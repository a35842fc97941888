/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/recovery_key.h"
#include "keys-test.h"

#define MODHEX "cbdefghijklnrtuv"
#define WANTED "cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv"

/* Whether it is what systemd's own format says: eight groups of eight letters of modhex. */
static bool is_recovery_key(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i % 9 == 8 ? p[i] != '-' : !strchr(MODHEX, p[i]) || !p[i])
            return false;
    return n == RECOVERY_KEY_TEXT_LEN;
}

static int normalise(const char *text, struct secret *ret)
{
    return recovery_key_normalise(text, strlen(text), ret);
}

static void test_generate(void)
{
    unsigned seen[256] = { 0 };
    struct secret last = SECRET_NULL;

    for (int i = 0; i < 200; i++) {
        _cleanup_(secret_done) struct secret again = SECRET_NULL;
        struct secret text = SECRET_NULL;

        CHECK_OK(recovery_key_generate(&text));
        CHECK(is_recovery_key(text.data, text.size));
        CHECK_OK(recovery_key_normalise(text.data, text.size, &again));
        CHECK(again.size == text.size && memcmp(again.data, text.data, text.size) == 0);
        CHECK(!last.data || memcmp(last.data, text.data, text.size) != 0);
        for (size_t k = 0; k < text.size; k++)
            seen[text.data[k]]++;
        secret_done(&last);
        last = secret_take(&text);
    }
    secret_done(&last);
    for (const char *p = MODHEX; *p; p++) /* of 12,800 letters each comes 800 times; a seventh of that is no accident */
        CHECK(seen[(unsigned char) *p] > 600 && seen[(unsigned char) *p] < 1000);
}

static void test_normalise(void)
{
    static const char *const good[] = {
        WANTED, (WANTED "\n"),
        "CBDEFGHI-JKLNRTUV-CBDEFGHI-JKLNRTUV-CBDEFGHI-JKLNRTUV-CBDEFGHI-JKLNRTUV",
        "cbdefghijklnrtuvcbdefghijklnrtuvcbdefghijklnrtuvcbdefghijklnrtuv",
        "cBdEfGhIjKlNrTuVcBdEfGhIjKlNrTuVcBdEfGhIjKlNrTuVcBdEfGhIjKlNrTuV\n",
    };
    static const char *const bad[] = {
        "", "\n", "-", "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        (WANTED "\n\n"), (WANTED " "), (WANTED "c"), (" " WANTED),
        "cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtu",
        "abdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv",
        "cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghijklnrtuv-",
        "cbdefghi jklnrtuv cbdefghi jklnrtuv cbdefghi jklnrtuv cbdefghi jklnrtuv",
        "cbdefghijklnrtuv-cbdefghijklnrtuvcbdefghijklnrtuvcbdefghijklnrtuvcbdefgh",
        "cbdefghijklnrtuvcbdefghijklnrtuv-bdefghijklnrtuvcbdefghijklnrtuv",
        "cbdefghijklnrtuvcbdefghijklnrtuvcbdefghijklnrtuvcbdefghijklnrtu\xf6",
    };
    struct secret text = SECRET_NULL;

    for (unsigned i = 0; i < ELEMENTSOF(good); i++) {
        CHECK_OK(normalise(good[i], &text));
        CHECK(text.size == RECOVERY_KEY_TEXT_LEN && memcmp(text.data, WANTED, text.size) == 0);
        secret_done(&text);
    }
    for (unsigned i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(normalise(bad[i], &text) == -EINVAL && !text.data);
    CHECK(recovery_key_normalise("cbdefghi\0klnrtuvcbdefghijklnrtuvcbdefghijklnrtuvcbdefghijklnrtuv", 64, &text) == -EINVAL);
}

/* What systemd-cryptenroll prints is one, and opens its keyslot once somebody has typed it in capitals. */
static void test_systemd(void)
{
    _cleanup_(secret_done) struct secret kek = new_kek(), key = new_key(), mended = SECRET_NULL;
    _cleanup_fclose_ FILE *f = NULL;
    struct keyslot s;
    char text[128] = "";

    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    if (system("systemd-cryptenroll --version >/dev/null 2>&1") != 0) {
        (void) fprintf(stderr, "not tried: systemd-cryptenroll, which is not here\n");
        return;
    }
    CHECK_OK(file_write("key", key.data, key.size, 0600, &e));
    if (system("systemd-cryptenroll --unlock-key-file=key --recovery-key " LOCK " >printed 2>log") != 0) {
        CHECK(system("cat log >&2") == 0);
        CHECK(false);
    }
    f = fopen("printed", "re");
    CHECK(f && fgets(text, sizeof(text), f));
    text[strcspn(text, "\n")] = '\0';
    CHECK(is_recovery_key((unsigned char *) text, strlen(text)));
    for (char *p = text; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char) (*p - 'a' + 'A') : *p;
    CHECK_OK(normalise(text, &mended));
    CHECK_TOLD(keyslots_prove(LOCK, 1, &mended, &s, &e));
    CHECK(strcmp(s.kind, "recovery") == 0);
    CHECK_OK(try_key(&mended, &kek));
}

int main(void)
{
    char folder[] = "/tmp/test-recovery-key.XXXXXX";

    enter_folder(folder);
    test_generate();
    test_normalise();
    test_systemd();
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
