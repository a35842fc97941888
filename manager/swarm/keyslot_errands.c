/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Adding keyslots, and trying them. What is added is made and proven first; the lock is changed last. */
#include <errno.h>
#include <string.h>

#include "keys/recovery_key.h"
#include "keys/unlock_key.h"
#include "swarm/swarm_private.h"

#define PASSPHRASE_MAX 512

/* What is typed to unlock is taken for an unlock key or a recovery key first. */
static bool has_form_of_key(const struct secret *passphrase)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    size_t n = strlen(UNLOCK_KEY_PREFIX);

    return (passphrase->size >= n && memcmp(passphrase->data, UNLOCK_KEY_PREFIX, n) == 0) ||
           recovery_key_normalise(passphrase->data, passphrase->size, &key) == 0;
}

static int check_passphrase(const struct secret *passphrase, struct error *e)
{
    if (has_form_of_key(passphrase))
        return error_set(e, -EINVAL, "this has the form of an unlock key or a recovery key: choose another passphrase");
    if (passphrase->size < 1 || passphrase->size > PASSPHRASE_MAX)
        return error_set(e, -EINVAL, "a passphrase has 1 to %d bytes", PASSPHRASE_MAX);
    for (size_t i = 0; i < passphrase->size; i++)
        if (passphrase->data[i] < 0x20 || passphrase->data[i] == 0x7f)
            return error_set(e, -EINVAL, "a passphrase that can be typed at a prompt has no control characters");
    return 0;
}

static int make(struct swarm *s, struct swarm_request *r, struct method *ret)
{
    const char *kind = r->options->kind;

    if (strcmp(kind, "tang") == 0)
        return method_tang(s, r->options, ret, &r->error);
    if (strcmp(kind, "tpm2") == 0)
        return method_tpm2(s, r->options->pcrs[0] ? r->options->pcrs : NULL, ret, &r->error);
    if (strcmp(kind, "recovery") == 0) {
        ret->token = strdup("{\"type\":\"systemd-recovery\",\"keyslots\":[]}");
        return ret->token ? recovery_key_generate(&ret->passphrase) : -ENOMEM;
    }
    if (strcmp(kind, "passphrase") == 0) {
        ret->passphrase = secret_take(&r->key);
        return check_passphrase(&ret->passphrase, &r->error);
    }
    return error_set(&r->error, -EINVAL, "unknown kind of keyslot \"%.64s\": tang, tpm2, recovery or passphrase", kind);
}

int verb_fetch_advertisement(struct swarm *s, struct swarm_request *r)
{
    return method_advertisement(s, r->options->urls[0], r, &r->error);
}

int verb_add_keyslot(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(swarm_request_freep) struct swarm_request *listed = NULL;
    _cleanup_(secret_done) struct secret recovery = SECRET_NULL;
    _cleanup_(method_done) struct method m = METHOD_NULL;
    bool is_human = strcmp(r->options->kind, "passphrase") == 0;
    int result = errand_list(s, r, false, &listed);

    if (result == 0)
        result = make(s, r, &m);
    if (result == 0 && strcmp(r->options->kind, "recovery") == 0)
        result = secret_copy(m.passphrase.data, m.passphrase.size, &recovery);
    if (result == 0)
        result = errand_insert(s, r, &m, is_human ? STRETCH_HUMAN : STRETCH_KEY, -1, &r->ret_keyslots[0], &r->error);
    if (result < 0)
        return result;
    r->ret_n_keyslots = 1;
    r->ret_key = secret_take(&recovery);
    return 0;
}

static const struct keyslot *find_slot(const struct swarm_request *listed, int slot)
{
    for (unsigned i = 0; i < listed->ret_n_keyslots; i++)
        if (listed->ret_keyslots[i].slot == slot)
            return &listed->ret_keyslots[i];
    return NULL;
}

static bool is_persons(const struct keyslot *slot)
{
    static const char *const kinds[] = { "unlock-key", "passphrase", "recovery" };

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (strcmp(slot->kind, kinds[i]) == 0)
            return true;
    return false;
}

/* What was typed for the slot, or without that what its method gives. */
static int obtain(struct swarm *s, struct swarm_request *r, const struct keyslot *slot, struct secret *ret)
{
    int result;

    if (r->key.size > 0) {
        result = recovery_key_normalise(r->key.data, r->key.size, ret);
        if (result == -EINVAL)
            *ret = secret_take(&r->key);
        return result == -EINVAL ? 0 : result;
    }
    if (is_persons(slot))
        return error_set(&r->error, -EINVAL, "keyslot %d (%s) opens with a secret that a person has, which is missing here", slot->slot, slot->kind);
    result = method_open(s, slot->slot, ret, &r->error);
    if (result < 0 && result != -ECANCELED)
        errand_note(s, r, slot->slot, r->error.text);
    return result;
}

int verb_test_keyslot(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(swarm_request_freep) struct swarm_request *listed = NULL;
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    const struct keyslot *slot;
    int result = errand_list(s, r, true, &listed);

    if (result < 0)
        return result;
    slot = find_slot(listed, r->slot);
    if (!slot)
        return error_set(&r->error, -ENOENT, "there is no keyslot %d: see \"swarmctl keyslot ls\"", r->slot);
    result = obtain(s, r, slot, &passphrase);
    if (result == 0)
        result = errand_prove(s, r, r->slot, &passphrase, &r->ret_keyslots[0]);
    if (result == 0)
        r->ret_n_keyslots = 1;
    return result;
}
