/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "basic/file.h"
#include "keys/keyslots_own.h"

#define TRIES_MAX 20

struct change {
    const struct secret *kek;
    const struct secret *passphrase;
    uint32_t generation;
};

/* Does change on a freshly loaded lock, again when another program was faster: each change goes on from what it finds done. */
static int keyslots_change(const char *path, int (*change)(struct lock *, const struct change *, struct error *),
                           const struct change *what, struct error *e)
{
    int r = -ESTALE;

    for (int i = 0; i < TRIES_MAX && r == -ESTALE; i++) {
        _cleanup_(lock_done) struct lock lock = { 0 };

        r = lock_load(&lock, path, e);
        if (r == 0)
            r = change(&lock, what, e);
    }
    return r == -ESTALE ? -EAGAIN : r;
}

static int set_state(struct lock *lock, struct unlock_token *t, enum unlock_token_state state, struct error *e)
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

static int remove_token(struct lock *lock, int id, struct error *e)
{
    int r = crypt_token_json_set(lock->cd, id, NULL);

    return r < 0 ? lock_failed(lock, r, "remove a token from", e) : 0;
}

/* libcryptsetup wipes the area before it strikes the slot from the header: the intent is what a crash between leaves to find. */
static int destroy(struct lock *lock, struct unlock_token *t, struct error *e)
{
    int r = 0;

    if (t->slot < 0)
        return remove_token(lock, t->id, e);
    if (t->state != TOKEN_DESTROYING)
        r = set_state(lock, t, TOKEN_DESTROYING, e);
    if (r < 0)
        return r;
    r = crypt_keyslot_destroy(lock->cd, t->slot);
    if (r < 0)
        return lock_failed(lock, r, "destroy a keyslot in", e);
    return remove_token(lock, t->id, e);
}

static int collect_adding(struct lock *lock, const struct unlock_token *t, struct error *e)
{
    if (own_is_being_added(lock, t, t->slot)) {
        int r = crypt_keyslot_destroy(lock->cd, t->slot);

        if (r < 0)
            return lock_failed(lock, r, "destroy a keyslot in", e);
    }
    return remove_token(lock, t->id, e);
}

static int collect_token(struct lock *lock, struct unlock_token *t, uint32_t active, struct error *e)
{
    if (t->state == TOKEN_ADDING)
        return collect_adding(lock, t, e);
    if (t->slot < 0)
        return remove_token(lock, t->id, e);
    /* The slot that was to stay may have been removed by hand meanwhile. */
    if (t->state == TOKEN_DESTROYING)
        return lock_count(lock) > 1 ? destroy(lock, t, e) : 0;
    if (t->state == TOKEN_ACTIVE && t->generation < active)
        return set_state(lock, t, TOKEN_RETIRING, e);
    return 0;
}

static int collect(struct lock *lock, const struct change *what _unused_, struct error *e)
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
    return r < 0 ? r : keyslots_change(path, collect, NULL, e);
}

static int free_slot(struct lock *lock, struct error *e)
{
    for (int slot = 0; slot < KEYSLOTS_MAX; slot++)
        if (crypt_keyslot_status(lock->cd, slot) == CRYPT_SLOT_INACTIVE)
            return slot;
    return error_set(e, -ENOSPC, "%s has no free keyslot: remove one that is not needed with 'cryptsetup luksKillSlot'", lock->path);
}

static int collect_added(struct lock *lock, struct own_tokens *tokens, struct error *e)
{
    int r = 0;

    for (unsigned i = 0; i < tokens->n && r == 0; i++)
        if (tokens->t[i].state == TOKEN_ADDING)
            r = collect_adding(lock, &tokens->t[i], e);
    return r;
}

/* A keyslot of the wanted generation is there. 1: it is the wanted one; 0: it may be replaced, being damaged or never acknowledged. */
static int check_existing(struct lock *lock, const struct unlock_token *t, const struct change *what, struct error *e)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    int r = lock_try(lock, t->slot, what->passphrase, &kek);

    if (r == 0) {
        if (what->kek->size != kek.size || sodium_memcmp(what->kek->data, kek.data, kek.size) != 0)
            return lock_rejected(lock, e);
        return 1;
    }
    if (r != -EPERM)
        return lock_failed(lock, r, "open a keyslot in", e);
    if (t->state == TOKEN_PENDING || own_check_area(lock, t, NULL) == -EBADMSG)
        return 0;
    return error_set(e, -EEXIST, "keyslot %d in %s has generation %u already, with another unlock key", t->slot, lock->path,
                     t->generation);
}

/* The slot that an earlier try, or a run that was cut off, has filled for this very key; or NULL. */
static struct unlock_token *filled(struct lock *lock, struct own_tokens *tokens, const struct change *what)
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
static int add_slot(struct lock *lock, struct own_tokens *tokens, struct unlock_token *t, const struct change *what, struct error *e)
{
    struct unlock_token *begun = filled(lock, tokens, what);
    int r;

    if (begun) {
        t->id = begun->id;
        t->slot = begun->slot;
        return own_finish(lock, t, what->kek, what->passphrase, e);
    }
    r = collect_added(lock, tokens, e);
    if (r == 0)
        r = free_slot(lock, e);
    if (r < 0)
        return r;
    t->slot = r;
    return own_fill(lock, t, what->kek, what->passphrase, true, e);
}

static int add(struct lock *lock, const struct change *what, struct error *e)
{
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
    return old ? destroy(lock, old, e) : 0;
}

static int take_back(struct lock *lock, const struct change *what _unused_, struct error *e)
{
    struct own_tokens tokens;

    own_read(lock, &tokens);
    return collect_added(lock, &tokens, e);
}

int keyslots_add(const char *path, const struct secret *kek, const struct secret *passphrase, uint32_t generation, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    struct change what = { kek, &text, generation };
    bool is_unlock_key;
    int r = own_passphrase(passphrase, &is_unlock_key, &text);

    if (r < 0)
        return error_set(e, r, "cannot change %s: %s", path, strerror(-r));
    r = keyslots_change(path, add, &what, e);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        (void) keyslots_change(path, take_back, NULL, NULL);
    return r;
}

static int unknown_generation(struct lock *lock, uint32_t generation, struct error *e)
{
    return error_set(e, -ENOENT, "%s has no keyslot of generation %u", lock->path, generation);
}

/* The new one first: at no instant is none active. */
static int activate(struct lock *lock, const struct change *what, struct error *e)
{
    struct unlock_token *t;
    struct own_tokens tokens;
    int r = 0;

    own_read(lock, &tokens);
    t = own_of_generation(&tokens, what->generation);
    if (!t)
        return unknown_generation(lock, what->generation, e);
    if (t->state != TOKEN_ACTIVE)
        r = set_state(lock, t, TOKEN_ACTIVE, e);
    for (unsigned i = 0; i < tokens.n && r == 0; i++)
        if (&tokens.t[i] != t && own_opens(&tokens.t[i]) && tokens.t[i].state != TOKEN_RETIRING)
            r = set_state(lock, &tokens.t[i], TOKEN_RETIRING, e);
    return r;
}

int keyslots_activate(const char *path, uint32_t generation, struct error *e)
{
    return keyslots_change(path, activate, &(struct change) { .generation = generation }, e);
}

static int retire(struct lock *lock, const struct change *what, struct error *e)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    struct unlock_token *t;
    struct own_tokens tokens;
    int r;

    own_read(lock, &tokens);
    t = own_of_generation(&tokens, what->generation);
    if (!t)
        return unknown_generation(lock, what->generation, e);
    r = lock_try(lock, t->slot, what->passphrase, &kek);
    if (r == -EPERM) {
        r = own_check_area(lock, t, e);
        return r < 0 ? r : lock_rejected(lock, e);
    }
    if (r < 0)
        return lock_failed(lock, r, "open a keyslot in", e);
    for (unsigned i = 0; i < tokens.n && r == 0; i++)
        if (&tokens.t[i] != t && tokens.t[i].state != TOKEN_ADDING)
            r = tokens.t[i].slot == t->slot ? remove_token(lock, tokens.t[i].id, e) : destroy(lock, &tokens.t[i], e);
    return r;
}

int keyslots_retire(const char *path, const struct secret *passphrase, uint32_t generation, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    bool is_unlock_key;
    int r = own_passphrase(passphrase, &is_unlock_key, &text);

    if (r < 0)
        return error_set(e, r, "cannot change %s: %s", path, strerror(-r));
    return keyslots_change(path, retire, &(struct change) { NULL, &text, generation }, e);
}
