/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keyslots beside those of unlock keys: passphrases, recovery keys, and the methods that other programs know by their tokens. */
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
};

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

static int write_token(struct lock *lock, const struct method *m, struct error *e)
{
    _cleanup_free_ char *text = NULL;
    int r;

    if (!m->token)
        return 0;
    r = token_for_slot(m->token, m->slot, &text);
    if (r < 0)
        return error_set(e, r, "what the method gave is no LUKS2 token");
    r = crypt_token_json_set(lock->cd, CRYPT_ANY_TOKEN, text);
    return r < 0 ? lock_failed(lock, r, "add a token to", e) : 0;
}

/* Until its token is written, or the intent is gone, a kill leaves a slot that the intent names. */
static int add(struct lock *lock, void *data, struct error *e)
{
    struct unlock_token intent = { .id = CRYPT_ANY_TOKEN };
    struct method *m = data;
    uint32_t cost = lock_new_cost(m->stretch);
    struct own_tokens tokens;
    int r;

    own_read(lock, &tokens);
    r = own_collect_added(lock, &tokens, e);
    if (r == 0 && !m->replaces && lock_count_free(lock) < 2)
        return error_set(e, -ENOSPC, "%s has %d keyslots, and the last free one is kept for the next unlock key: remove one that is not needed "
                                     "with \"swarmctl keyslot remove\"", lock->path, KEYSLOTS_MAX);
    if (r == 0)
        r = lock_free_slot(lock, e);
    if (r < 0)
        return r;
    intent.slot = m->slot = r;
    r = own_begin(lock, &intent, cost, e);
    if (r < 0)
        return r;
    r = lock_fill(lock, m->slot, m->kek, m->passphrase, m->stretch, cost);
    if (r < 0)
        return lock_failed(lock, r, "add a keyslot to", e);
    r = own_prove(lock, m->slot, m->kek, m->passphrase, e);
    if (r == 0)
        r = write_token(lock, m, e);
    return r < 0 ? r : own_remove_token(lock, intent.id, e);
}

static int take_back(struct lock *lock, void *what _unused_, struct error *e)
{
    struct own_tokens tokens;

    own_read(lock, &tokens);
    return own_collect_added(lock, &tokens, e);
}

int keyslots_add_method(const char *path, const struct secret *kek, const struct secret *passphrase, enum keyslot_stretch stretch,
                        const char *token, bool replaces, int *ret_slot, struct error *e)
{
    struct method m = { kek, passphrase, stretch, token, replaces, -1 };
    int r = lock_change(path, add, &m, e);

    if (r == 0)
        *ret_slot = m.slot;
    else if (r != -ENOENT && r != -EBADMSG)
        (void) lock_change(path, take_back, NULL, NULL);
    return r;
}

static int no_such_slot(struct lock *lock, int slot, struct error *e)
{
    return error_set(e, -ENOENT, "%s has no keyslot %d: \"swarmctl keyslot ls\" shows those that it has", lock->path, slot);
}

struct removal {
    int slot;
    const struct secret *unlock_key;
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

/* Tokens of the slot alone go; one for several slots stays for the others. */
static int remove_tokens(struct lock *lock, int slot, struct error *e)
{
    int r = 0;

    for (int id = 0; id < LOCK_SLOTS_MAX && r >= 0; id++) {
        const char *type = NULL;
        int others = 0;

        (void) crypt_token_status(lock->cd, id, &type);
        if (!type || strcmp(type, KEYSLOT_TOKEN_TYPE) == 0 || crypt_token_is_assigned(lock->cd, id, slot) < 0)
            continue;
        for (int other = 0; other < LOCK_SLOTS_MAX; other++)
            others += other != slot && crypt_token_is_assigned(lock->cd, id, other) == 0;
        r = others > 0 ? crypt_token_unassign_keyslot(lock->cd, id, slot) : crypt_token_json_set(lock->cd, id, NULL);
    }
    return r < 0 ? lock_failed(lock, r, "remove a token from", e) : 0;
}

static int remove_slot(struct lock *lock, void *data, struct error *e)
{
    const struct removal *m = data;
    struct unlock_token intent = { .id = CRYPT_ANY_TOKEN, .slot = m->slot, .state = TOKEN_DESTROYING }, *begun;
    struct own_tokens tokens;
    int r;

    own_read(lock, &tokens);
    r = check_removal(lock, &tokens, m, e);
    if (r < 0)
        return r;
    begun = own_of_slot(lock, &tokens, m->slot);
    if (begun)
        intent.id = begun->id;
    r = lock_area_digest(lock, m->slot, intent.area);
    if (r < 0)
        return error_set(e, r, "cannot read %s: %s", lock->path, strerror(-r));
    r = unlock_token_write(lock->cd, &intent);
    if (r < 0)
        return lock_failed(lock, r, "add a token to", e);
    intent.id = r;
    r = remove_tokens(lock, m->slot, e);
    return r < 0 ? r : own_destroy(lock, &intent, e);
}

int keyslots_remove_method(const char *path, int slot, const struct secret *unlock_key, struct error *e)
{
    return lock_change(path, remove_slot, &(struct removal) { slot, unlock_key }, e);
}

/* A lock that has the slot. */
static int load_slot(struct lock *lock, const char *path, int slot, struct error *e)
{
    int r = lock_load(lock, path, e);

    return r < 0 ? r : lock_has(lock, slot) ? 0 : no_such_slot(lock, slot, e);
}

int keyslots_prove(const char *path, int slot, const struct secret *passphrase, struct keyslot *ret_slot, struct error *e)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, text = SECRET_NULL;
    _cleanup_(lock_done) struct lock lock = { 0 };
    struct own_tokens tokens;
    struct unlock_token *t;
    bool is_unlock_key;
    int r = load_slot(&lock, path, slot, e);

    if (r < 0)
        return r;
    own_read(&lock, &tokens);
    t = own_of_slot(&lock, &tokens, slot);
    r = own_passphrase(passphrase, &is_unlock_key, &text);
    if (r == 0)
        r = lock_try(&lock, slot, t ? &text : passphrase, &kek);
    if (r == -EPERM)
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
    const char *token;
    char *copy;
    int r = load_slot(&lock, path, slot, e);

    if (r < 0)
        return r;
    token = lock_token(&lock, slot);
    if (!token)
        return error_set(e, -ENOENT, "keyslot %d has no method that could be tried without a person", slot);
    copy = strdup(token);
    if (!copy)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

int keyslots_area(const char *path, int slot, char ret[static KEYSLOT_AREA_LEN + 1], struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    int r = load_slot(&lock, path, slot, e);

    return r < 0 ? r : lock_area_digest(&lock, slot, ret);
}
