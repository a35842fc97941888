/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "basic/cleanup.h"
#include "keys/unlock_key.h"
#include "test.h"

#define ZEROS "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void test_round_trip(void)
{
    for (int i = 0; i < 200; i++) {
        _cleanup_(secret_done) struct secret key = SECRET_NULL, text = SECRET_NULL, again = SECRET_NULL;

        CHECK_OK(unlock_key_generate(&key));
        CHECK(key.size == UNLOCK_KEY_SIZE);
        CHECK_OK(unlock_key_format(&key, &text));
        CHECK(text.size == UNLOCK_KEY_TEXT_LEN && memcmp(text.data, UNLOCK_KEY_PREFIX, 9) == 0);
        CHECK_OK(unlock_key_parse(text.data, text.size, &again));
        CHECK(again.size == key.size && memcmp(again.data, key.data, key.size) == 0);
    }
}

static void test_known(void)
{
    /* 00 01 … 1f */
    static const char text[] = "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";
    _cleanup_(secret_done) struct secret key = SECRET_NULL, back = SECRET_NULL;

    CHECK_OK(unlock_key_parse(text, UNLOCK_KEY_TEXT_LEN + 1, &key));
    for (unsigned i = 0; i < UNLOCK_KEY_SIZE; i++)
        CHECK(key.data[i] == i);
    CHECK_OK(unlock_key_format(&key, &back));
    CHECK(memcmp(back.data, text, UNLOCK_KEY_TEXT_LEN) == 0);
    secret_truncate(&key, UNLOCK_KEY_SIZE - 1);
    CHECK(unlock_key_format(&key, &back) == -EINVAL);
}

/* The last character's two low bits belong to no byte. */
static void test_spare_bits(void)
{
    char text[] = ZEROS;

    for (const char *last = "ABCD"; *last; last++) {
        _cleanup_(secret_done) struct secret key = SECRET_NULL;

        text[UNLOCK_KEY_TEXT_LEN - 1] = *last;
        CHECK_OK(unlock_key_parse(text, UNLOCK_KEY_TEXT_LEN, &key));
        for (unsigned i = 0; i < UNLOCK_KEY_SIZE; i++)
            CHECK(key.data[i] == 0);
    }
    {
        _cleanup_(secret_done) struct secret key = SECRET_NULL;

        text[UNLOCK_KEY_TEXT_LEN - 1] = 'E';
        CHECK_OK(unlock_key_parse(text, UNLOCK_KEY_TEXT_LEN, &key));
        CHECK(key.data[UNLOCK_KEY_SIZE - 1] == 1);
    }
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        "\n",
        "SWMKEY-1-",
        ZEROS "\n\n",
        ZEROS "\r",
        ZEROS " ",
        " " ZEROS,
        ZEROS "=",
        ZEROS "A",
        "SWMKEY-2-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "swmkey-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "SWMTKN-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",  /* one short */
        "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* padding */
        "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA",
        "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAA",
        "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAA", /* URL-safe base64 */
        "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAA_AAAAAAAAAAAAAAAAAAAAA",
        "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAA\303\251AAAAAAAAAAAAAAAAAAAA",
    };
    char nul[] = ZEROS;
    _cleanup_(secret_done) struct secret key = SECRET_NULL;

    for (unsigned i = 0; i < ELEMENTSOF(texts); i++)
        CHECK(unlock_key_parse(texts[i], strlen(texts[i]), &key) == -EINVAL && !key.data);
    nul[20] = 0;
    CHECK(unlock_key_parse(nul, UNLOCK_KEY_TEXT_LEN, &key) == -EINVAL);
    CHECK(unlock_key_parse(ZEROS, 51, &key) == -EINVAL);
}

int main(void)
{
    CHECK_OK(secret_init());
    test_round_trip();
    test_known();
    test_spare_bits();
    test_refused();
    return 0;
}
