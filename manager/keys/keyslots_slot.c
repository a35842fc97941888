/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One keyslot by its number: what it holds, whether something opens it, and its end. */
#include <errno.h>
#include <string.h>

#include "keys/keyslots_own.h"

static int no_such_slot(struct lock *lock, int slot, struct error *e)
{
    return error_set(e, -ENOENT, "%s has no keyslot %d: \"keyslot ls\" shows those that it has", lock->path, slot);
}

struct removal {
    int slot;
    const struct secret *unlock_key;
    bool is_begun; /* the intent was written */
};

static int check_removal(struct lock *lock, struct own_tokens *tokens, const struct removal *m, struct error *e)
{
    struct unlock_token *t = own_of_slot(lock, tokens, m->slot);

    if (!lock_has(lock, m->slot))
        return no_such_slot(lock, m->slot, e);
    if (lock_count(lock) == 1)
        return error_set(e, -EBUSY, "keyslot %d is the last way to unlock this manager: it stays", m->slot);
    if (t && own_opens(t))
        return error_set(e, -EBUSY, "keyslot %d holds the swarm's unlock key: change that with \"swarmctl unlock-key --rotate\"", m->slot);
    for (unsigned i = 0; i < tokens->n; i++) {
        _cleanup_(secret_done) struct secret kek = SECRET_NULL;

        if (own_opens(&tokens->t[i]) && lock_try(lock, tokens->t[i].slot, m->unlock_key, &kek) == 0)
            return 0;
    }
    return error_set(e, -EBUSY, "keyslot %d is the last way to unlock that works: the unlock key's keyslot is missing; \"swarmctl unlock-key "
                                "--rotate\" makes one", m->slot);
}

static int begin_removal(struct lock *lock, const struct removal *m, struct unlock_token *intent, struct error *e)
{
    int r = lock_area_digest(lock, m->slot, intent->area);

    if (r < 0)
        return error_set(e, r, "cannot read %s: %s", lock->path, strerror(-r));
    intent->slot = m->slot;
    intent->state = TOKEN_DESTROYING;
    return own_write_intent(lock, intent, e);
}

/* LUKS2 has struck the slot from our intent with the slot itself: another one may have its number by now. */
static int end_removal(struct lock *lock, struct own_tokens *tokens, struct error *e)
{
    int r = 0;

    for (unsigned i = 0; i < tokens->n && r == 0; i++)
        if (tokens->t[i].state == TOKEN_DESTROYING && tokens->t[i].slot < 0)
            r = own_remove_token(lock, tokens->t[i].id, e);
    return r;
}

static int remove_slot(struct lock *lock, void *data, struct error *e)
{
    struct unlock_token intent = { .id = CRYPT_ANY_TOKEN }, *begun;
    struct removal *m = data;
    struct own_tokens tokens;
    int r;

    own_read(lock, &tokens);
    begun = own_of_slot(lock, &tokens, m->slot);
    if (m->is_begun && !(begun && begun->state == TOKEN_DESTROYING))
        return end_removal(lock, &tokens, e);
    r = check_removal(lock, &tokens, m, e);
    if (r < 0)
        return r;
    if (begun)
        intent = *begun;
    if (intent.state != TOKEN_DESTROYING)
        r = begin_removal(lock, m, &intent, e);
    m->is_begun = r == 0;
    return r < 0 ? r : own_destroy(lock, &intent, e);
}

int keyslots_remove_method(const char *path, int slot, const struct secret *unlock_key, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    struct removal m = { .slot = slot, .unlock_key = &text };
    bool is_unlock_key;
    int r = own_passphrase(unlock_key, &is_unlock_key, &text);

    if (r < 0)
        return error_set(e, r, "cannot change %s: %s", path, strerror(-r));
    return lock_change(path, remove_slot, &m, e);
}

/* A lock that has the slot, as keyslots_list tells: not one that is being added or destroyed. ret is the own token that speaks for it, in
 * tokens, or NULL. */
static int load_slot(struct lock *lock, const char *path, int slot, struct own_tokens *tokens, struct unlock_token **ret, struct error *e)
{
    int r = lock_load(lock, path, e);

    if (r < 0)
        return r;
    own_read(lock, tokens);
    *ret = own_of_slot(lock, tokens, slot);
    return lock_has(lock, slot) && (!*ret || own_opens(*ret)) ? 0 : no_such_slot(lock, slot, e);
}

int keyslots_prove(const char *path, int slot, const struct secret *passphrase, struct keyslot *ret_slot, struct error *e)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, text = SECRET_NULL;
    _cleanup_(lock_done) struct lock lock = { 0 };
    struct own_tokens tokens;
    struct unlock_token *t;
    bool is_unlock_key;
    int r = load_slot(&lock, path, slot, &tokens, &t, e);

    if (r < 0)
        return r;
    r = own_passphrase(passphrase, &is_unlock_key, &text);
    if (r == 0)
        r = lock_try(&lock, slot, t ? &text : passphrase, &kek);
    /* -EINVAL: a foreign slot in a form that no key can open. */
    if (r == -EPERM || r == -EINVAL)
        return error_set(e, -EKEYREJECTED, "that does not open keyslot %d", slot);
    if (r < 0)
        return lock_failed(&lock, r, "open a keyslot in", e);
    if (ret_slot)
        own_describe(&lock, slot, t, ret_slot);
    return 0;
}

int keyslots_token(const char *path, int slot, char **ret, struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    struct own_tokens tokens;
    struct unlock_token *t;
    const char *token;
    char *copy;
    int r = load_slot(&lock, path, slot, &tokens, &t, e);

    if (r < 0)
        return r;
    token = lock_token(&lock, slot);
    if (!token)
        return error_set(e, -ENOENT, "keyslot %d has no method that could be tried without a person", slot);
    copy = strdup(token);
    if (!copy)
        return error_set(e, -ENOMEM, "cannot read %s: %s", path, strerror(ENOMEM));
    *ret = copy;
    return 0;
}

int keyslots_area(const char *path, int slot, char ret[static KEYSLOT_AREA_LEN + 1], struct error *e)
{
    char area[AREA_DIGEST_LEN + 1];
    _cleanup_(lock_done) struct lock lock = { 0 };
    struct own_tokens tokens;
    struct unlock_token *t;
    int r = load_slot(&lock, path, slot, &tokens, &t, e);

    if (r < 0)
        return r;
    r = lock_area_digest(&lock, slot, area);
    if (r < 0)
        return error_set(e, r, "cannot read keyslot %d in %s: %s", slot, path, strerror(-r));
    memcpy(ret, area, sizeof(area));
    return 0;
}
