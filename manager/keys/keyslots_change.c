/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots_change.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "basic/file.h"
#include "keys/keyslots.h"

static int collect_token(struct lock *lock, struct unlock_token *t, uint32_t active, struct error *e)
{
    if (t->state == TOKEN_ADDING)
        return own_collect_adding(lock, t, e);
    if (t->slot < 0)
        return own_remove_token(lock, t->id, e);
    /* The slot that was to stay may have been removed by hand meanwhile. */
    if (t->state == TOKEN_DESTROYING)
        return lock_count(lock) > 1 ? own_destroy(lock, t, e) : 0;
    if (t->state == TOKEN_ACTIVE && t->generation < active)
        return own_set_state(lock, t, TOKEN_RETIRING, e);
    return 0;
}

int change_collect(struct lock *lock, void *data _unused_, struct error *e)
{
    uint32_t active = 0;
    struct own_tokens tokens;
    int r = 0;

    own_read(lock, &tokens);
    for (unsigned i = 0; i < tokens.n; i++)
        if (tokens.t[i].state == TOKEN_ACTIVE && tokens.t[i].slot >= 0 && tokens.t[i].generation > active)
            active = tokens.t[i].generation;
    for (unsigned i = 0; i < tokens.n && r == 0; i++)
        r = collect_token(lock, &tokens.t[i], active, e);
    return r;
}

int keyslots_collect(const char *path, struct error *e)
{
    char temporary[PATH_MAX];
    int r = file_temporary(NULL, path, temporary);

    /* Of a keyslots_create that was cut off: a header for a key that nobody uses. */
    if (r == 0)
        r = file_erase(temporary, e);
    return r < 0 ? r : lock_change(path, change_collect, NULL, e);
}

/* A keyslot of the wanted generation is there. 1: it is the wanted one; 0: it may be replaced, being damaged or never acknowledged. */
static int check_existing(struct lock *lock, const struct unlock_token *t, const struct keyslots_change *what, struct error *e)
{
    int r = proof_try(lock, t->slot, what);

    if (r == 0)
        return 1;
    if (r == -EKEYREJECTED)
        return lock_rejected(lock, e);
    if (r != -EPERM)
        return lock_failed(lock, r, "open a keyslot in", e);
    r = t->state == TOKEN_PENDING ? -EBADMSG : own_check_area(lock, t, e);
    if (r < 0)
        return r == -EBADMSG ? 0 : r;
    return error_set(e, -EEXIST, "keyslot %d in %s has generation %u already, with another unlock key", t->slot, lock->path,
                     t->generation);
}

/* The slot that an earlier try, or a run that was cut off, has filled for this very key; or NULL. */
static struct unlock_token *filled(struct lock *lock, struct own_tokens *tokens, const struct keyslots_change *what)
{
    for (unsigned i = 0; i < tokens->n; i++) {
        _cleanup_(secret_done) struct secret kek = SECRET_NULL;
        struct unlock_token *t = &tokens->t[i];

        if (t->generation == what->generation && own_is_being_added(lock, t, t->slot) &&
            lock_try(lock, t->slot, what->passphrase, &kek) == 0)
            return t;
    }
    return NULL;
}

/* t has its id, generation and final state. */
static int add_slot(struct lock *lock, struct own_tokens *tokens, struct unlock_token *t, const struct keyslots_change *what, struct error *e)
{
    struct unlock_token *begun = filled(lock, tokens, what);
    int r;

    if (begun) {
        t->id = begun->id;
        t->slot = begun->slot;
        return own_finish(lock, t, what->kek, what->passphrase, e);
    }
    r = own_collect_added(lock, tokens, e);
    if (r == 0)
        r = lock_free_slot(lock, e);
    if (r < 0)
        return r;
    t->slot = r;
    return own_fill(lock, t, what->kek, what->passphrase, true, e);
}

int change_add(struct lock *lock, void *data, struct error *e)
{
    const struct keyslots_change *what = data;
    struct unlock_token t = { .id = CRYPT_ANY_TOKEN, .generation = what->generation, .state = TOKEN_PENDING };
    struct unlock_token *old;
    struct own_tokens tokens;
    int r;

    own_read(lock, &tokens);
    old = own_of_generation(&tokens, what->generation);
    if (old) {
        r = check_existing(lock, old, what, e);
        if (r != 0)
            return r < 0 ? r : 0;
        t.state = old->state;
    }
    r = add_slot(lock, &tokens, &t, what, e);
    if (r < 0)
        return r;
    proof_keep(lock, t.slot, what);
    return old ? own_destroy(lock, old, e) : 0;
}

int change_take_back(struct lock *lock, void *data _unused_, struct error *e)
{
    struct own_tokens tokens;

    own_read(lock, &tokens);
    return own_collect_added(lock, &tokens, e);
}

int keyslots_add(const char *path, const struct secret *kek, const struct secret *passphrase, uint32_t generation,
                 struct keyslots_proofs *proofs, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    struct keyslots_change what = { kek, &text, generation, 0, proofs };
    bool is_unlock_key;
    int r = own_passphrase(passphrase, &is_unlock_key, &text);

    if (r < 0)
        return error_set(e, r, "cannot change %s: %s", path, strerror(-r));
    r = lock_change(path, change_add, &what, e);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        (void) lock_change(path, change_take_back, NULL, NULL);
    return r;
}

static int unknown_generation(struct lock *lock, uint32_t generation, struct error *e)
{
    return error_set(e, -ENOENT, "%s has no keyslot of generation %u", lock->path, generation);
}

/* The new one first: at no instant is none active. */
int change_activate(struct lock *lock, void *data, struct error *e)
{
    const struct keyslots_change *what = data;
    struct unlock_token *t;
    struct own_tokens tokens;
    int r = 0;

    own_read(lock, &tokens);
    t = own_of_generation(&tokens, what->generation);
    if (!t)
        return unknown_generation(lock, what->generation, e);
    if (t->state != TOKEN_ACTIVE)
        r = own_set_state(lock, t, TOKEN_ACTIVE, e);
    for (unsigned i = 0; i < tokens.n && r == 0; i++)
        if (&tokens.t[i] != t && own_opens(&tokens.t[i]) && tokens.t[i].state != TOKEN_RETIRING)
            r = own_set_state(lock, &tokens.t[i], TOKEN_RETIRING, e);
    return r;
}

int keyslots_activate(const char *path, uint32_t generation, struct error *e)
{
    return lock_change(path, change_activate, &(struct keyslots_change) { .generation = generation }, e);
}

static bool is_kept(const struct unlock_token *t, uint32_t keep)
{
    return keep != 0 && own_opens(t) && t->generation == keep;
}

int change_retire(struct lock *lock, void *data, struct error *e)
{
    const struct keyslots_change *what = data;
    struct unlock_token *t;
    struct own_tokens tokens;
    int r;

    own_read(lock, &tokens);
    t = own_of_generation(&tokens, what->generation);
    if (!t)
        return unknown_generation(lock, what->generation, e);
    r = proof_try(lock, t->slot, what);
    if (r == -EKEYREJECTED)
        return lock_rejected(lock, e);
    if (r == -EPERM) {
        r = own_check_area(lock, t, e);
        return r < 0 ? r : lock_rejected(lock, e);
    }
    if (r < 0)
        return lock_failed(lock, r, "open a keyslot in", e);
    for (unsigned i = 0; i < tokens.n && r == 0; i++)
        if (&tokens.t[i] != t && tokens.t[i].state != TOKEN_ADDING && !is_kept(&tokens.t[i], what->keep))
            r = tokens.t[i].slot == t->slot ? own_remove_token(lock, tokens.t[i].id, e) : own_destroy(lock, &tokens.t[i], e);
    return r;
}

int keyslots_retire(const char *path, const struct secret *passphrase, uint32_t generation, uint32_t keep, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    bool is_unlock_key;
    int r = own_passphrase(passphrase, &is_unlock_key, &text);

    if (r < 0)
        return error_set(e, r, "cannot change %s: %s", path, strerror(-r));
    return lock_change(path, change_retire, &(struct keyslots_change) { NULL, &text, generation, keep, NULL }, e);
}
