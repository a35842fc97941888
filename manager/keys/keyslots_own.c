/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots_own.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "keys/binding.h"
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
    return t->state == TOKEN_ADDING && t->slot == slot && lock_has(lock, slot) && !lock_token_type(lock, slot) &&
           lock_has_cost(lock, slot, t->iterations);
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

/* 1: the slot's area is as its token says. */
static int area_is_intact(struct lock *lock, const struct unlock_token *t, struct error *e)
{
    char digest[AREA_DIGEST_LEN + 1];
    int r = lock_area_digest(lock, t->slot, digest);

    if (r < 0 && r != -EBADMSG)
        return error_set(e, r, "cannot read keyslot %d in %s: %s", t->slot, lock->path, strerror(-r));
    return r == 0 && strcmp(digest, t->area) == 0;
}

/* Whether the header still has the token; the area may have changed with it since it was loaded. */
static int is_current(const struct lock *lock, const struct unlock_token *t, struct error *e)
{
    _cleanup_(lock_done) struct lock fresh = { 0 };
    struct unlock_token now;
    int r = lock_load(&fresh, lock->path, e);

    if (r < 0)
        return r;
    if (unlock_token_read(fresh.cd, t->id, &now) < 0 || now.slot != t->slot || strcmp(now.area, t->area) != 0)
        return 0;
    r = area_is_intact(&fresh, &now, e);
    return r < 0 ? r : r == 0;
}

int own_check_area(struct lock *lock, const struct unlock_token *t, struct error *e)
{
    int r = area_is_intact(lock, t, e);

    if (r != 0)
        return r < 0 ? r : 0;
    r = is_current(lock, t, e);
    if (r < 0)
        return r;
    if (r == 0)
        return error_set(e, -ESTALE, "%s was changed by another program", lock->path);
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
    const char *token = lock_token(lock, slot);

    *ret = (struct keyslot) { .slot = slot, .kind = "passphrase", .state = KEYSLOT_FOREIGN };
    if (t) {
        ret->generation = t->generation;
        ret->state = public_state(t->state);
        (void) strcpy(ret->kind, "unlock-key");
    } else if (token)
        binding_describe(token, ret->kind, ret->binding);
}

/* Whether the file holds the slot that was just filled: another program may have put an older header back. */
static bool is_still_filled(const struct lock *lock, int slot)
{
    _cleanup_(lock_done) struct lock fresh = { 0 };
    struct crypt_pbkdf_type pbkdf;

    return lock_load(&fresh, lock->path, NULL) < 0 || crypt_keyslot_get_pbkdf(lock->cd, slot, &pbkdf) < 0 ||
           lock_has_cost(&fresh, slot, strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) == 0 ? pbkdf.iterations : pbkdf.max_memory_kb);
}

int own_prove(struct lock *lock, int slot, const struct secret *kek, const struct secret *passphrase, struct error *e)
{
    _cleanup_(secret_done) struct secret found = SECRET_NULL;
    int r = lock_try(lock, slot, passphrase, &found);

    if (r == -EPERM && !is_still_filled(lock, slot))
        return error_set(e, -ESTALE, "%s was changed by another program", lock->path);
    if (r < 0)
        return lock_failed(lock, r, "open a keyslot in", e);
    if (found.size != kek->size || sodium_memcmp(found.data, kek->data, kek->size) != 0)
        return lock_rejected(lock, e);
    return 0;
}

int own_finish(struct lock *lock, struct unlock_token *t, const struct secret *kek, const struct secret *passphrase, struct error *e)
{
    int r = own_prove(lock, t->slot, kek, passphrase, e);

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
    uint32_t cost = lock_new_cost(STRETCH_KEY);
    int r = with_intent ? own_begin(lock, t, cost, e) : 0;

    if (r < 0)
        return r;
    r = lock_fill(lock, t->slot, kek, passphrase, STRETCH_KEY, cost);
    if (r < 0)
        return lock_failed(lock, r, "add a keyslot to", e);
    return own_finish(lock, t, kek, passphrase, e);
}

int own_set_state(struct lock *lock, struct unlock_token *t, enum unlock_token_state state, struct error *e)
{
    struct unlock_token changed = *t;
    int r;

    changed.state = state;
    r = unlock_token_write(lock->cd, &changed);
    if (r < 0)
        return lock_failed(lock, r, "change a token in", e);
    *t = changed;
    return 0;
}

int own_remove_token(struct lock *lock, int id, struct error *e)
{
    int r = crypt_token_json_set(lock->cd, id, NULL);

    return r < 0 ? lock_failed(lock, r, "remove a token from", e) : 0;
}

/* Other programs' tokens that are for this slot alone: without it they would never go. libcryptsetup takes the slot out of the others. */
static int remove_foreign_tokens(struct lock *lock, int slot, struct error *e)
{
    int r = 0;

    for (int id = 0; id < LOCK_SLOTS_MAX && r == 0; id++) {
        const char *type = NULL;
        int others = 0;

        (void) crypt_token_status(lock->cd, id, &type);
        if (!type || strcmp(type, KEYSLOT_TOKEN_TYPE) == 0 || crypt_token_is_assigned(lock->cd, id, slot) < 0)
            continue;
        for (int other = 0; other < LOCK_SLOTS_MAX; other++)
            others += other != slot && crypt_token_is_assigned(lock->cd, id, other) == 0;
        if (others == 0)
            r = own_remove_token(lock, id, e);
    }
    return r;
}

/* libcryptsetup wipes the area before it strikes the slot from the header: the intent is what a crash between leaves to find. */
int own_destroy(struct lock *lock, struct unlock_token *t, struct error *e)
{
    int r = 0;

    if (t->slot < 0)
        return own_remove_token(lock, t->id, e);
    if (t->state != TOKEN_DESTROYING)
        r = own_set_state(lock, t, TOKEN_DESTROYING, e);
    if (r == 0)
        r = remove_foreign_tokens(lock, t->slot, e);
    if (r < 0)
        return r;
    r = crypt_keyslot_destroy(lock->cd, t->slot);
    if (r < 0)
        return lock_failed(lock, r, "destroy a keyslot in", e);
    return own_remove_token(lock, t->id, e);
}

int own_collect_adding(struct lock *lock, const struct unlock_token *t, struct error *e)
{
    if (own_is_being_added(lock, t, t->slot)) {
        int r = crypt_keyslot_destroy(lock->cd, t->slot);

        if (r < 0)
            return lock_failed(lock, r, "destroy a keyslot in", e);
    }
    return own_remove_token(lock, t->id, e);
}

int own_collect_added(struct lock *lock, struct own_tokens *tokens, struct error *e)
{
    int r = 0;

    for (unsigned i = 0; i < tokens->n && r == 0; i++)
        if (tokens->t[i].state == TOKEN_ADDING)
            r = own_collect_adding(lock, &tokens->t[i], e);
    return r;
}

int own_check_room(struct lock *lock, struct error *e)
{
    for (int id = 0; id < LOCK_SLOTS_MAX; id++)
        if (crypt_token_status(lock->cd, id, NULL) == CRYPT_TOKEN_INACTIVE)
            return 0;
    return error_set(e, -ENOSPC, "%s has no room for another token: \"cryptsetup luksDump\" shows those that stand for no keyslot, and "
                                 "\"cryptsetup token remove\" removes them", lock->path);
}

int own_write_intent(struct lock *lock, struct unlock_token *intent, struct error *e)
{
    int r = intent->id == CRYPT_ANY_TOKEN ? own_check_room(lock, e) : 0;

    if (r < 0)
        return r;
    r = unlock_token_write(lock->cd, intent);
    if (r < 0)
        return lock_failed(lock, r, "add a token to", e);
    intent->id = r;
    return 0;
}

int own_begin(struct lock *lock, struct unlock_token *t, uint32_t cost, struct error *e)
{
    struct unlock_token intent = *t;
    int r;

    intent.state = TOKEN_ADDING;
    intent.iterations = cost;
    r = own_write_intent(lock, &intent, e);
    if (r == 0)
        t->id = intent.id;
    return r;
}
