/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Adds keyslots beside those of unlock keys: passphrases, recovery keys, and the methods that other programs know by their tokens. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "keys/keyslots_own.h"

struct method {
    const struct secret *kek, *passphrase;
    enum keyslot_stretch stretch;
    const char *token;
    bool replaces;
    int slot;
    bool is_bound; /* the slot has its token */
};

static int no_token(struct error *e)
{
    return error_set(e, -EINVAL, "what the method gave is no LUKS2 token");
}

/* The token's text with the slot's number in it, from malloc. */
static int token_for_slot(const char *token, int slot, char **ret)
{
    _cleanup_(json_decrefp) json_t *object = json_loads(token, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    char number[8];

    (void) snprintf(number, sizeof(number), "%d", slot);
    if (!type || strcmp(type, KEYSLOT_TOKEN_TYPE) == 0)
        return -EINVAL;
    if (json_object_set_new(object, "keyslots", json_pack("[s]", number)) < 0)
        return -ENOMEM;
    *ret = json_dumps(object, JSON_COMPACT);
    return *ret ? 0 : -ENOMEM;
}

/* libcryptsetup answers -EINVAL to a token that it does not take, and to any when the header has changed since it was loaded: then it does
 * not take the intent again either. */
static int write_token(struct lock *lock, const struct method *m, struct unlock_token *intent, uint32_t cost, struct error *e)
{
    _cleanup_free_ char *text = NULL;
    int r = token_for_slot(m->token, m->slot, &text);

    if (r < 0)
        return r == -EINVAL ? no_token(e) : error_set(e, r, "cannot change %s: %s", lock->path, strerror(-r));
    r = own_check_room(lock, e);
    if (r < 0)
        return r;
    r = crypt_token_json_set(lock->cd, CRYPT_ANY_TOKEN, text);
    if (r == -EINVAL && own_begin(lock, intent, cost, NULL) == 0)
        return no_token(e);
    return r < 0 ? lock_failed(lock, r, "add a token to", e) : 0;
}

static int fill(struct lock *lock, struct method *m, struct error *e)
{
    struct unlock_token intent = { .id = CRYPT_ANY_TOKEN, .slot = m->slot };
    uint32_t cost = lock_new_cost(m->stretch);
    int r = own_begin(lock, &intent, cost, e);

    if (r < 0)
        return r;
    r = lock_fill(lock, m->slot, m->kek, m->passphrase, m->stretch, cost);
    if (r < 0)
        return lock_failed(lock, r, "add a keyslot to", e);
    r = own_prove(lock, m->slot, m->kek, m->passphrase, e);
    if (r == 0 && m->token) {
        r = write_token(lock, m, &intent, cost, e);
        m->is_bound = r == 0;
    }
    return r < 0 ? r : own_remove_token(lock, intent.id, e);
}

/* Until its token is written, or the intent is gone, a kill leaves a slot that the intent names. */
static int add(struct lock *lock, void *data, struct error *e)
{
    struct own_tokens tokens;
    struct method *m = data;
    int r;

    own_read(lock, &tokens);
    r = own_collect_added(lock, &tokens, e);
    /* All was done but for the intent when another program was faster. */
    if (r < 0 || (m->is_bound && lock_has(lock, m->slot) && lock_token(lock, m->slot)))
        return r;
    if (!m->replaces && lock_count_free(lock) < 2)
        return error_set(e, -ENOSPC, "%s has %d keyslots, and the last free one is kept for the next unlock key: remove one that is not needed "
                                     "with \"keyslot remove\"", lock->path, KEYSLOTS_MAX);
    r = lock_free_slot(lock, e);
    if (r < 0)
        return r;
    m->slot = r;
    return fill(lock, m, e);
}

static int take_back(struct lock *lock, void *what _unused_, struct error *e)
{
    struct own_tokens tokens;

    own_read(lock, &tokens);
    return own_collect_added(lock, &tokens, e);
}

/* What would be refused anyway, before anything is written. */
static int check_method(const struct method *m, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    _cleanup_free_ char *token = NULL;
    bool is_unlock_key;
    int r = own_passphrase(m->passphrase, &is_unlock_key, &text);

    if (r == 0 && is_unlock_key && m->stretch == STRETCH_HUMAN)
        return error_set(e, -EINVAL, "this has the form of an unlock key: choose another passphrase");
    if (r == 0 && m->token && token_for_slot(m->token, 0, &token) == -EINVAL)
        return no_token(e);
    return r < 0 ? error_set(e, r, "cannot take the passphrase: %s", strerror(-r)) : 0;
}

int keyslots_add_method(const char *path, const struct secret *kek, const struct secret *passphrase, enum keyslot_stretch stretch,
                        const char *token, bool replaces, int *ret_slot, struct error *e)
{
    struct method m = { kek, passphrase, stretch, token, replaces, -1, false };
    int r = check_method(&m, e);

    if (r < 0)
        return r;
    r = lock_change(path, add, &m, e);
    if (r == 0)
        *ret_slot = m.slot;
    else if (r != -ENOENT && r != -EBADMSG)
        (void) lock_change(path, take_back, NULL, NULL);
    return r;
}
