/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What refreshing keyslots wants of the lock, by way of the lifecycle thread. Errands' thread. */
#include <errno.h>

#include "method/refresh.h"
#include "swarm/swarm_private.h"

struct refreshing {
    struct swarm *swarm;
    struct swarm_request *request;
};

static int told(const struct refreshing *f, int result, struct error *e)
{
    if (result < 0)
        *e = f->request->error;
    return result;
}

static int lock_token(void *data, int slot, char **ret, struct error *e)
{
    struct refreshing *f = data;

    return told(f, errand_token(f->swarm, f->request, slot, ret), e);
}

static int lock_open(void *data, int slot, struct error *e)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    struct refreshing *f = data;
    struct keyslot proven;
    int r = method_open(errand_helpers(f->swarm), slot, &passphrase, e);

    return r < 0 ? r : told(f, errand_prove(f->swarm, f->request, slot, &passphrase, &proven), e);
}

static int lock_replace(void *data, int slot, struct method *m, int *ret_slot, struct error *e)
{
    struct refreshing *f = data;
    struct keyslot made;
    int r = errand_insert(f->swarm, f->request, m, STRETCH_KEY, slot, &made, e);

    if (r == 0)
        *ret_slot = made.slot;
    return r;
}

static void lock_note(void *data, int slot, const char *text)
{
    struct refreshing *f = data;

    errand_note(f->swarm, f->request, slot, text);
}

int verb_refresh_keyslots(struct swarm *s, struct swarm_request *r)
{
    const struct refresh_lock lock = { &(struct refreshing) { s, r }, lock_token, lock_open, lock_replace, lock_note };
    _cleanup_(swarm_request_freep) struct swarm_request *listed = NULL;
    int result = errand_list(s, r, false, &listed);

    for (unsigned i = 0; result == 0 && i < listed->ret_n_keyslots; i++) {
        const struct keyslot *slot = &listed->ret_keyslots[i];

        if (slot->state == KEYSLOT_FOREIGN && (r->slot < 0 || r->slot == slot->slot))
            refresh_keyslot(errand_helpers(s), &lock, slot, r->options, &r->ret_refreshes[r->ret_n_refreshes++]);
        if (lifecycle_stopping(s->errands))
            return error_set(&r->error, -ECANCELED, "the manager is stopping");
    }
    if (result == 0 && r->slot >= 0 && r->ret_n_refreshes == 0)
        return error_set(&r->error, -ENOENT, "there is no keyslot %d with a method to refresh: see \"swarmctl keyslot ls\"", r->slot);
    return result;
}
