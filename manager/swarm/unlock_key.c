/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The swarm's unlock key: showing, rotating, turning autolock on and off. A new key comes into force only when its receipt is confirmed:
 * until then the disk opens with what the operator had before. */
#include <errno.h>
#include <string.h>

#include "keys/unlock_key.h"
#include "swarm/swarm_private.h"

#define EXPIRES_DEFAULT (24U * 3600)
#define EXPIRES_MAX (366U * 24 * 3600)

/* A key that was made, but whose receipt nobody confirmed, is handed out once more rather than piled on. */
static int ensure_next_key(struct swarm *s, Pb__Cluster *cluster)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    int r;

    if (cluster->next_unlock_key.len > 0)
        return 0;
    r = unlock_key_generate(&key);
    if (r == 0)
        r = bytes_replace(&cluster->next_unlock_key, key.data, key.size);
    if (r < 0)
        return r;
    cluster->next_unlock_generation = cluster->unlock_generation + 1;
    return step_put_cluster(s, cluster);
}

static int hand_out_next(struct swarm *s, Pb__Cluster *cluster, struct swarm_request *r)
{
    int result;

    result = ensure_next_key(s, cluster);
    if (result < 0)
        return swarm_error_change(&r->error, result, "the new unlock key cannot be stored");
    r->ret_generation = cluster->next_unlock_generation;
    return lock_key_text(&cluster->next_unlock_key, &r->ret_key);
}

int verb_rotate_unlock_key(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int result;

    result = step_active_cluster(s, &cluster, &r->error);
    if (result < 0)
        return result;
    if (!cluster->autolock)
        return error_set(&r->error, -EOPNOTSUPP, "cannot rotate because autolock is not turned on");
    result = hand_out_next(s, cluster, r);
    if (result == 0)
        result = keyslots_add(s->files.keyslots, &s->kek, &r->ret_key, r->ret_generation, &s->keyslots_proofs, &r->error);
    if (result < 0)
        return result;
    swarm_event(s, SWARM_EVENT_KEY_ROTATED, r, -1, r->ret_generation, NULL);
    return 0;
}

int verb_enable_autolock(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int result;

    result = step_active_cluster(s, &cluster, &r->error);
    if (result < 0)
        return result;
    if (cluster->autolock) {
        r->ret_generation = cluster->unlock_generation;
        return lock_key_text(&cluster->unlock_key, &r->ret_key);
    }
    /* turning off did not get to its end: a disk that is still locked cannot get a second lock */
    if (s->keys_locked && (result = lock_disarm(s, &r->error)) < 0)
        return result;
    return hand_out_next(s, cluster, r);
}

int verb_disable_autolock(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int result;

    result = step_active_cluster(s, &cluster, &r->error);
    if (result < 0)
        return result;
    if (cluster->autolock || cluster->next_unlock_key.len > 0) {
        cluster->autolock = false;
        if (cluster->next_unlock_key.len > 0)
            cluster->unlock_generation = cluster->next_unlock_generation;
        cluster->next_unlock_generation = 0;
        cluster->next_rekeys = false;
        (void) bytes_replace(&cluster->unlock_key, NULL, 0);
        (void) bytes_replace(&cluster->next_unlock_key, NULL, 0);
        (void) bytes_replace(&cluster->retiring_unlock_key, NULL, 0);
        cluster->retiring_generation = 0;
        cluster->retiring_until = 0;
        result = step_put_cluster(s, cluster);
        if (result < 0)
            return swarm_error_change(&r->error, result, "autolock cannot be turned off");
    }
    if (!s->keys_locked)
        return lock_finish_change(s, &r->error);
    result = lock_disarm(s, &r->error);
    if (result == 0)
        swarm_event(s, SWARM_EVENT_AUTOLOCK_OFF, r, -1, 0, NULL);
    return result;
}

/* The next key is the key from here on; generations never go back, so that a text naming one stays true. */
static int promote_next(struct swarm *s, Pb__Cluster *cluster, uint64_t old_key_expires)
{
    /* where every disk gets new keys, the old one is to open none of them */
    bool retires = cluster->unlock_key.len > 0 && !cluster->next_rekeys && !step_is_alone(s);
    int r = 0;

    if (old_key_expires == 0 || old_key_expires > EXPIRES_MAX)
        old_key_expires = EXPIRES_DEFAULT;
    if (retires)
        r = bytes_replace(&cluster->retiring_unlock_key, cluster->unlock_key.data, cluster->unlock_key.len);
    else
        (void) bytes_replace(&cluster->retiring_unlock_key, NULL, 0);
    if (r < 0)
        return r;
    cluster->retiring_generation = retires ? cluster->unlock_generation : 0;
    cluster->retiring_until = retires ? swarm_now() + (int64_t) old_key_expires * 1000000 : 0;
    r = bytes_replace(&cluster->unlock_key, cluster->next_unlock_key.data, cluster->next_unlock_key.len);
    if (r < 0)
        return r;
    (void) bytes_replace(&cluster->next_unlock_key, NULL, 0);
    cluster->unlock_generation = cluster->next_unlock_generation;
    cluster->next_unlock_generation = 0;
    if (cluster->next_rekeys)
        cluster->rekey++;
    cluster->next_rekeys = false;
    cluster->autolock = true;
    return step_put_cluster(s, cluster);
}

/* Brings the disk to what the swarm's settings say; goes on from whatever an earlier attempt reached. */
static int enforce(struct swarm *s, const Pb__Cluster *cluster, struct error *e)
{
    int r;

    if (!s->keys_locked)
        return lock_arm(s, e);
    r = open_reconcile_keyslots(s, cluster, e);
    return r < 0 ? r : lock_finish_change(s, e);
}

int unlock_key_confirm(struct swarm *s, uint32_t generation, uint64_t old_key_expires, const struct swarm_request *request, struct error *e)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    enum swarm_event event = s->keys_locked ? SWARM_EVENT_KEY_CONFIRMED : SWARM_EVENT_AUTOLOCK_ON;
    bool news, rekeys;
    int r;

    r = step_cluster(s, &cluster);
    if (r < 0)
        return r;
    if (cluster->next_unlock_key.len == 0 && !cluster->autolock)
        return error_set(e, -ENODATA, "no unlock key is set");
    rekeys = cluster->next_rekeys;
    news = cluster->next_unlock_key.len > 0 || !s->keys_locked;
    if (generation != (cluster->next_unlock_key.len > 0 ? cluster->next_unlock_generation : cluster->unlock_generation))
        return error_set(e, -ESTALE, "there is a newer unlock key: get it with \"swarmctl unlock-key\"");
    if (cluster->next_unlock_key.len > 0)
        r = promote_next(s, cluster, old_key_expires);
    if (r < 0)
        return swarm_error_change(e, r, "the unlock key cannot be brought into force");
    if (rekeys)
        swarm_event(s, SWARM_EVENT_REKEY, request, -1, generation, NULL);
    r = enforce(s, cluster, e);
    if (r == 0 && news)
        swarm_event(s, event, request, -1, generation, NULL);
    return r;
}

int verb_confirm_unlock_key(struct swarm *s, struct swarm_request *r)
{
    int result = step_require_active(s, &r->error);

    return result < 0 ? result : unlock_key_confirm(s, r->generation, r->old_key_expires, r, &r->error);
}
