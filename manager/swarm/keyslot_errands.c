/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Adding keyslots, and trying them. What is added is made and proven first; the lock is changed last. */
#include <errno.h>
#include <string.h>

#include "keys/recovery_key.h"
#include "swarm/swarm_private.h"

int verb_fetch_advertisement(struct swarm *s, struct swarm_request *r)
{
    int result = method_advertisement(errand_helpers(s), r->options->urls[0], r->ret_thumbprints, &r->error);

    if (result < 0)
        return result;
    r->ret_n_thumbprints = (unsigned) result;
    return 0;
}

int verb_add_keyslot(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(swarm_request_freep) struct swarm_request *listed = NULL;
    _cleanup_(secret_done) struct secret recovery = SECRET_NULL;
    _cleanup_(method_done) struct method m = METHOD_NULL;
    int result = errand_list(s, r, false, &listed);

    if (result == 0)
        result = method_make(errand_helpers(s), r->options, &r->key, &m, &r->error);
    if (result == 0 && strcmp(r->options->kind, "recovery") == 0)
        result = secret_copy(m.passphrase.data, m.passphrase.size, &recovery);
    if (result == 0)
        result = errand_insert(s, r, &m, method_stretch(r->options), -1, &r->ret_keyslots[0], &r->error);
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
    if (method_is_persons(slot->kind))
        return error_set(&r->error, -EINVAL, "keyslot %d (%s) opens with a secret that a person has, which is missing here", slot->slot, slot->kind);
    result = method_open(errand_helpers(s), slot->slot, ret, &r->error);
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
