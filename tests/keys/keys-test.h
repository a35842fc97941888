/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <libcryptsetup.h>
#include <stdbool.h>

#include "basic/cleanup.h"
#include "basic/error.h"
#include "basic/file.h"
#include "keys/keyslots.h"
#include "keys/unlock_key.h"
#include "test.h"

/* What the tests of the lock share. */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Rounds of a test, fewer where a sanitizer makes each one slow. */
#define SCALED(n) (SANITIZED ? ((n) + 3) / 4 : (n))

#define LOCK "keyslots.luks"
#define OPERATOR "what the operator typed"

static struct error e;

/* CHECK_OK that shows the error's text. */
#define CHECK_TOLD(expr)                                                                          \
    do {                                                                                          \
        int _t = (expr);                                                                          \
        if (_t < 0) {                                                                             \
            (void) fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #expr, strerror(-_t), e.text); \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

static inline struct secret new_key(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    struct secret text = SECRET_NULL;

    CHECK_OK(unlock_key_generate(&key));
    CHECK_OK(unlock_key_format(&key, &text));
    return text;
}

static inline struct secret text_of(const char *s)
{
    struct secret text = SECRET_NULL;

    CHECK_OK(secret_copy(s, strlen(s), &text));
    return text;
}

static inline struct secret new_kek(void)
{
    struct secret kek = SECRET_NULL;

    CHECK_OK(secret_random(KEK_SIZE, &kek));
    return kek;
}

/* 0 when the passphrase opens the lock and to this KEK. Another KEK ends the test. */
static inline int try_key(const struct secret *passphrase, const struct secret *kek)
{
    _cleanup_(secret_done) struct secret found = SECRET_NULL;
    int r = keyslots_open(LOCK, passphrase, &found, NULL, &e);

    CHECK(r == 0 || !found.data);
    CHECK(r < 0 || (found.size == KEK_SIZE && memcmp(found.data, kek->data, KEK_SIZE) == 0));
    return r;
}

static inline struct crypt_device *load_lock(void)
{
    struct crypt_device *cd = NULL;

    CHECK_OK(crypt_init(&cd, LOCK));
    CHECK_OK(crypt_load(cd, CRYPT_LUKS2, NULL));
    return cd;
}

/* Another tool's keyslot, with its token when there is one. */
static inline int add_foreign_at(int slot, const struct secret *kek, const char *passphrase, const struct crypt_pbkdf_type *pbkdf,
                                 const char *token)
{
    static const struct crypt_pbkdf_type quick = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 1000,
                                                   .flags = CRYPT_PBKDF_NO_BENCHMARK };
    struct crypt_device *cd = load_lock();

    CHECK_OK(crypt_set_pbkdf_type(cd, pbkdf ? pbkdf : &quick));
    slot = crypt_keyslot_add_by_volume_key(cd, slot, (const char *) kek->data, kek->size, passphrase, strlen(passphrase));
    CHECK_OK(slot);
    if (token) {
        int id = crypt_token_json_set(cd, CRYPT_ANY_TOKEN, token);

        CHECK_OK(id);
        CHECK_OK(crypt_token_assign_keyslot(cd, id, slot));
    }
    crypt_free(cd);
    return slot;
}

/* In the first free slot, as other tools do. */
static inline int add_foreign(const struct secret *kek, const char *passphrase, const struct crypt_pbkdf_type *pbkdf, const char *token)
{
    return add_foreign_at(CRYPT_ANY_SLOT, kek, passphrase, pbkdf, token);
}

/* How many tokens of a type there are. */
static inline int count_tokens(const char *type)
{
    struct crypt_device *cd = load_lock();
    int n = 0;

    for (int id = 0; id < 32; id++) {
        const char *t = NULL;

        (void) crypt_token_status(cd, id, &t);
        n += t && strcmp(t, type) == 0;
    }
    crypt_free(cd);
    return n;
}

/* How many keyslots of a state there are. */
static inline int count_slots(enum keyslot_state state)
{
    struct keyslot s[KEYSLOTS_MAX];
    int n = keyslots_list(LOCK, s, &e), found = 0;

    CHECK_TOLD(n);
    for (int i = 0; i < n; i++)
        found += s[i].state == state;
    return found;
}

static inline void enter_folder(char *template)
{
    CHECK_OK(secret_init());
    CHECK(mkdtemp(template) && chdir(template) == 0);
}
