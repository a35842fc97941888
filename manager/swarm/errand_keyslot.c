/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What errands have to do with the lock. */
#include <errno.h>

#include "swarm/swarm_private.h"
#include "basic/text.h"

static struct swarm_request *request_for(const struct swarm_request *r, enum swarm_verb verb, int slot)
{
    struct swarm_request *request = swarm_request_new(verb);

    if (request) {
        request->caller = r->caller;
        request->slot = slot;
    }
    return request;
}

int errand_insert(struct swarm *s, struct swarm_request *r, struct method *m, enum keyslot_stretch stretch, int replaces, struct keyslot *ret,
                  struct error *e)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = request_for(r, SWARM_INSERT_KEYSLOT, replaces);
    int result;

    if (!request)
        return -ENOMEM;
    request->key = secret_take(&m->passphrase);
    request->token = TAKE_PTR(m->token);
    request->stretch = stretch;
    result = errand_request(s, request, e);
    if (result == 0)
        *ret = request->ret_keyslots[0];
    return result;
}

int errand_list(struct swarm *s, struct swarm_request *r, bool while_locked, struct swarm_request **ret)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = request_for(r, SWARM_LIST_KEYSLOTS, -1);
    int result;

    if (!request)
        return -ENOMEM;
    request->force = while_locked;
    result = errand_request(s, request, &r->error);
    if (result == 0 && request->ret_n_keyslots == 0)
        return keyslot_error_no_lock(&r->error);
    if (result == 0)
        *ret = TAKE_PTR(request);
    return result;
}

int errand_prove(struct swarm *s, struct swarm_request *r, int slot, struct secret *passphrase, struct keyslot *ret)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = request_for(r, SWARM_PROVE_KEYSLOT, slot);
    int result;

    if (!request)
        return -ENOMEM;
    request->key = secret_take(passphrase);
    result = errand_request(s, request, &r->error);
    if (result == 0)
        *ret = request->ret_keyslots[0];
    return result;
}

void errand_note(struct swarm *s, struct swarm_request *r, int slot, const char *text)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = request_for(r, SWARM_RECORD_KEYSLOT, slot);

    if (!request)
        return;
    text_copy(request->note, sizeof(request->note), text);
    (void) errand_request(s, request, NULL);
}

int errand_token(struct swarm *s, struct swarm_request *r, int slot, char **ret)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = request_for(r, SWARM_KEYSLOT_TOKEN, slot);
    int result = request ? errand_request(s, request, &r->error) : -ENOMEM;

    if (result == 0)
        *ret = TAKE_PTR(request->ret_token_json);
    return result;
}
