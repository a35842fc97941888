/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots_own.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "keys/unlock_key.h"

void own_read(struct lock *lock, struct own_tokens *ret)
{
    ret->n = 0;
    for (int id = 0; id < LOCK_SLOTS_MAX; id++)
        if (unlock_token_read(lock->cd, id, &ret->t[ret->n]) == 0)
            ret->n++;
}

bool own_opens(const struct unlock_token *t)
{
    return t->slot >= 0 && (t->state == TOKEN_PENDING || t->state == TOKEN_ACTIVE || t->state == TOKEN_RETIRING);
}

struct unlock_token *own_of_generation(struct own_tokens *tokens, uint32_t generation)
{
    for (unsigned i = 0; i < tokens->n; i++)
        if (own_opens(&tokens->t[i]) && tokens->t[i].generation == generation)
            return &tokens->t[i];
    return NULL;
}

bool own_is_being_added(struct lock *lock, const struct unlock_token *t, int slot)
{
    struct crypt_pbkdf_type pbkdf;

    return t->state == TOKEN_ADDING && t->slot == slot && lock_has(lock, slot) && !lock_token_type(lock, slot) &&
           crypt_keyslot_get_pbkdf(lock->cd, slot, &pbkdf) == 0 && strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) == 0 &&
           pbkdf.iterations == t->iterations;
}

struct unlock_token *own_of_slot(struct lock *lock, struct own_tokens *tokens, int slot)
{
    for (unsigned i = 0; i < tokens->n; i++)
        if (tokens->t[i].state == TOKEN_ADDING ? own_is_being_added(lock, &tokens->t[i], slot) : tokens->t[i].slot == slot)
            return &tokens->t[i];
    return NULL;
}

int own_passphrase(const struct secret *passphrase, bool *ret_is_unlock_key, struct secret *ret)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    int r = unlock_key_parse(passphrase->data, passphrase->size, &key);

    *ret_is_unlock_key = r == 0;
    if (r == -EINVAL)
        return secret_copy(passphrase->data, passphrase->size, ret);
    return r < 0 ? r : unlock_key_format(&key, ret);
}

int own_check_area(struct lock *lock, const struct unlock_token *t, struct error *e)
{
    char digest[AREA_DIGEST_LEN + 1];
    int r = lock_area_digest(lock, t->slot, digest);

    if (r < 0 && r != -EBADMSG)
        return error_set(e, r, "cannot read keyslot %d in %s: %s", t->slot, lock->path, strerror(-r));
    if (r == 0 && strcmp(digest, t->area) == 0)
        return 0;
    return error_set(e, -EBADMSG,
                     "keyslot %d in %s is damaged, so its unlock key opens nothing: use another key, restore the file from a "
                     "backup, or give this node up with 'swarmctl leave --force'",
                     t->slot, lock->path);
}

static enum keyslot_state public_state(enum unlock_token_state state)
{
    return state == TOKEN_PENDING ? KEYSLOT_PENDING : state == TOKEN_ACTIVE ? KEYSLOT_ACTIVE : KEYSLOT_RETIRING;
}

void own_describe(struct lock *lock, int slot, const struct unlock_token *t, struct keyslot *ret)
{
    const char *type = lock_token_type(lock, slot);

    *ret = (struct keyslot) { .slot = slot, .state = KEYSLOT_FOREIGN };
    if (t) {
        ret->generation = t->generation;
        ret->state = public_state(t->state);
        type = "unlock-key";
    }
    (void) snprintf(ret->kind, sizeof(ret->kind), "%s", type ? type : "passphrase");
    /* A token's type is any text; this one goes to a terminal. */
    for (char *p = ret->kind; *p; p++)
        if (*p < 0x21 || *p > 0x7e)
            *p = '?';
}

/* The proof: the new slot opens, and to the same key. */
static int prove(struct lock *lock, int slot, const struct secret *kek, const struct secret *passphrase, struct error *e)
{
    _cleanup_(secret_done) struct secret found = SECRET_NULL;
    int r = lock_try(lock, slot, passphrase, &found);

    if (r < 0)
        return lock_failed(lock, r, "open a keyslot in", e);
    if (found.size != kek->size || sodium_memcmp(found.data, kek->data, kek->size) != 0)
        return lock_rejected(lock, e);
    return 0;
}

int own_finish(struct lock *lock, struct unlock_token *t, const struct secret *kek, const struct secret *passphrase, struct error *e)
{
    int r = prove(lock, t->slot, kek, passphrase, e);

    if (r < 0)
        return r;
    r = lock_area_digest(lock, t->slot, t->area);
    if (r < 0)
        return error_set(e, r, "cannot read %s: %s", lock->path, strerror(-r));
    r = unlock_token_write(lock->cd, t);
    return r < 0 ? lock_failed(lock, r, "add a token to", e) : 0;
}

int own_fill(struct lock *lock, struct unlock_token *t, const struct secret *kek, const struct secret *passphrase, bool with_intent,
             struct error *e)
{
    uint32_t iterations = lock_iterations();
    int r;

    if (with_intent) {
        struct unlock_token intent = *t;

        intent.state = TOKEN_ADDING;
        intent.iterations = iterations;
        r = unlock_token_write(lock->cd, &intent);
        if (r < 0)
            return lock_failed(lock, r, "add a token to", e);
        t->id = r;
    }
    r = lock_fill(lock, t->slot, kek, passphrase, iterations);
    if (r < 0)
        return lock_failed(lock, r, "add a keyslot to", e);
    return own_finish(lock, t, kek, passphrase, e);
}
