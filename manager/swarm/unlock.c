/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "keys/recovery_key.h"
#include "keys/unlock_key.h"
#include "swarm/swarm_private.h"

#define PAUSE_FIRST_MS 250U
#define PAUSE_MAX_MS 8000U
#define PASSPHRASE_MAX 1024
#define LEADER_MS 2000U /* an election, and a little */

/* The second failure in a row and each later one make the next attempt wait twice as long. */
static int slow_down(struct swarm *s)
{
    unsigned pause = PAUSE_FIRST_MS;

    if (s->failures == 0)
        return 0;
    for (unsigned i = 1; i < s->failures && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    return lifecycle_sleep(s->lifecycle, pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
}

static int refuse(struct swarm *s, struct swarm_request *r, int code)
{
    s->failures++;
    swarm_event(s, SWARM_EVENT_UNLOCK_FAILED, r, -1, 0, r->error.text);
    return code;
}

static int invalid_key(struct swarm *s, struct swarm_request *r)
{
    return refuse(s, r, error_set(&r->error, -EINVAL, "invalid key string"));
}

/* Whether something else than an unlock key could open the lock. */
static bool takes_passphrases(struct swarm *s)
{
    struct keyslot slots[KEYSLOTS_MAX];
    int n = keyslots_list(s->files.keyslots, slots, NULL);

    for (int i = 0; i < n; i++)
        if (slots[i].state == KEYSLOT_FOREIGN)
            return true;
    return n < 0; /* opening says why */
}

/* The passphrase that what was typed stands for: an unlock key, a recovery key, or itself. */
static int read_secret(struct swarm *s, const struct secret *typed, struct secret *ret)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    size_t prefix = strlen(UNLOCK_KEY_PREFIX);
    int r = unlock_key_parse(typed->data, typed->size, &key);

    if (r != -EINVAL)
        return r < 0 ? r : unlock_key_format(&key, ret);
    if (typed->size == 0 || typed->size > PASSPHRASE_MAX || !takes_passphrases(s) ||
        (typed->size >= prefix && memcmp(typed->data, UNLOCK_KEY_PREFIX, prefix) == 0))
        return -EINVAL;
    r = recovery_key_normalise(typed->data, typed->size, ret);
    return r == -EINVAL ? secret_copy(typed->data, typed->size, ret) : r;
}

static int open_lock(struct swarm *s, struct swarm_request *r, struct keyslot *ret_slot)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    int result;

    result = read_secret(s, &r->key, &passphrase);
    if (result == -EINVAL)
        return invalid_key(s, r);
    if (result < 0)
        return result;
    result = keyslots_open(s->files.keyslots, &passphrase, &s->kek, ret_slot, &r->error);
    if (result == -EKEYREJECTED)
        (void) error_set(&r->error, result, "swarm could not be unlocked: invalid key provided");
    return result < 0 ? refuse(s, r, result) : 0;
}

static int damaged_bundle(const struct swarm *s, struct error *e)
{
    return error_set(e, -EBADMSG, "%s is damaged or does not belong to %s: restore both from a backup of this machine, or give this node up "
                                  "with \"swarmctl leave --force\"", s->files.credential, s->files.keyslots);
}

static int open_bundle(struct swarm *s, struct error *e)
{
    if (bundle_unseal(&s->blob, &s->kek, &s->bundle) < 0)
        return damaged_bundle(s, e);
    return open_member(s, e);
}

int unlock_keys(struct swarm *s, struct swarm_request *r)
{
    struct keyslot slot = { .slot = -1 };
    int result = slow_down(s);

    if (result == 0)
        result = open_lock(s, r, &slot);
    secret_done(&r->key);
    if (result < 0)
        return result;
    if (bundle_unseal(&s->blob, &s->kek, &s->bundle) < 0) {
        secret_done(&s->kek);
        return damaged_bundle(s, &r->error);
    }
    s->failures = 0;
    s->opened = slot;
    secret_done(&s->blob);
    swarm_event(s, SWARM_EVENT_UNLOCKED, r, slot.slot, slot.generation, NULL);
    return 0;
}

static int reconcile(void *data)
{
    struct swarm *s = data;
    struct error e = { "" };
    int r;

    if (!s->bundle || s->file.role != PB__ROLE__MANAGER)
        return 0;
    keyslot_worked(s, &s->opened);
    r = open_reconcile(s, &e);
    if (r < 0)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e.text[0] ? e.text : strerror(-r));
    return r;
}

static void reconcile_done(void *data _unused_, int result _unused_)
{
}

static int not_locked(enum swarm_state state, struct error *e)
{
    if (state == SWARM_INACTIVE)
        return swarm_error_not_manager(e);
    if (state == SWARM_ERROR)
        return error_set(e, -EBADMSG, "the manager's state has to be mended first: see \"swarmctl info\"");
    return error_set(e, -EALREADY, "swarm is not locked");
}

/* Nothing of the attempt stays. Damage behind the lock needs hands before another key can help. */
static int unlock_failed(struct swarm *s, struct swarm_request *r, bool opened, int code)
{
    secret_done(&s->kek);
    bundle_free(TAKE_PTR(s->bundle));
    if (opened && (code == -EBADMSG || code == -EPROTONOSUPPORT)) {
        swarm_event(s, SWARM_EVENT_DAMAGED, r, -1, 0, r->error.text);
        step_set_state(s, SWARM_ERROR, r->error.text);
    }
    return code;
}

int verb_unlock(struct swarm *s, struct swarm_request *r)
{
    enum swarm_state state = step_get_state(s);
    struct keyslot slot = { .slot = -1 };
    bool opened, waits;
    int result;

    if (state != SWARM_LOCKED)
        return not_locked(state, &r->error);
    result = slow_down(s);
    if (result == 0)
        result = open_lock(s, r, &slot);
    secret_done(&r->key);
    opened = result == 0;
    if (opened)
        result = open_bundle(s, &r->error);
    if (result < 0)
        return unlock_failed(s, r, opened, result);
    waits = result > 0;
    s->failures = 0;
    s->opened = slot;
    secret_done(&s->blob);
    r->ret_keyslots[0] = slot;
    r->ret_n_keyslots = 1;
    swarm_event(s, SWARM_EVENT_UNLOCKED, r, slot.slot, slot.generation, NULL);
    if (waits) {
        (void) open_await_active(s, LEADER_MS);
        return 0;
    }
    step_set_state(s, SWARM_ACTIVE, NULL);
    if (lifecycle_submit(s->lifecycle, reconcile, reconcile_done, s) < 0)
        (void) reconcile(s);
    return 0;
}
