/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All keys of this manager's disk anew: when autolock comes into force, when it goes, and when the swarm wants it. The credential's rename
 * decides each time: before it the former keys open the disk, from then on the new ones do, and what the former ones open is rewritten. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "basic/file.h"
#include "pki/ca.h"
#include "swarm/rekey.h"
#include "swarm/tls_file.h"
#include "swarm/trust.h"

struct new_keys {
    struct secret kek;
    struct bundle *bundle;
};
#define NEW_KEYS_NULL ((struct new_keys) { SECRET_NULL, NULL })

static void new_keys_done(struct new_keys *k)
{
    secret_done(&k->kek);
    bundle_free(k->bundle);
}

/* A KEK, and a bundle with a new DEK for the log, if there is one. */
static int make_keys(struct swarm *s, struct new_keys *ret, struct error *e)
{
    _cleanup_(new_keys_done) struct new_keys k = NEW_KEYS_NULL;
    bool has_log = s->file.role == PB__ROLE__MANAGER;
    int r = 0;

    /* those of before were not forgotten yet */
    if (has_log && s->bundle->n_deks == BUNDLE_DEKS_MAX)
        r = lock_finish_rewrite(s, e);
    if (r < 0)
        return r;
    r = secret_random(KEK_SIZE, &k.kek);
    if (r == 0 && !(k.bundle = bundle_copy(s->bundle)))
        r = -ENOMEM;
    if (r == 0 && has_log)
        r = bundle_add_dek(k.bundle);
    if (r < 0)
        return error_set(e, r, "no new keys can be made: %s", strerror(-r));
    sodium_memzero(k.bundle->header_uuid, sizeof(k.bundle->header_uuid));
    k.bundle->header_sequence = 0;
    *ret = k;
    k = NEW_KEYS_NULL;
    return 0;
}

/* Its certificate waits under its name: it counts once the bundle that has the key does. */
static int make_tls_key(struct swarm *s, const Pb__Cluster *cluster, struct new_keys *k, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, ca_key = SECRET_NULL;
    _cleanup_free_ char *ca = trust_ca(cluster), *certificate = NULL, *chain = NULL;
    int r = ca ? ca_node_key(&key) : -ENOMEM;

    if (r == 0 && key.size > BUNDLE_TLS_KEY_MAX)
        r = -EMSGSIZE;
    if (r == 0)
        r = secret_copy(cluster->ca_key.data, cluster->ca_key.len, &ca_key);
    if (r < 0)
        return error_set(e, r, "no new TLS key can be made: %s", strerror(-r));
    r = ca_issue(&ca_key, ca, &key, s->file.node_id, CA_ROLE_MANAGER, s->file.swarm_id, swarm_now() / 1000000, &certificate, e);
    if (r < 0)
        return r;
    chain = trust_chain(cluster, certificate);
    if (!chain)
        return error_set(e, -ENOMEM, "out of memory");
    memcpy(k->bundle->tls_key, key.data, key.size);
    k->bundle->tls_key_size = (uint32_t) key.size;
    k->bundle->rekeyed = cluster->rekey;
    return tls_file_write_chain(s->files.tls, chain, e);
}

int lock_name_header(const char *path, struct bundle *bundle, struct error *e)
{
    int r = keyslots_uuid(path, bundle->header_uuid, e);

    return r < 0 ? r : keyslots_sequence(path, &bundle->header_sequence, e);
}

int lock_finish_change(struct swarm *s, struct error *e)
{
    int r = lock_record_certificate(s, e);

    if (r == 0 && s->bundle->n_deks > 1)
        r = lock_finish_rewrite(s, e);
    return r < 0 ? r : lock_record_rekeyed(s, e);
}

/* Autolock comes into force: a new KEK behind the unlock key's keyslot, a new DEK and a new TLS key, none of which were ever on disk in a
 * form that opens without the unlock key. Until the bundle's rename the old credential opens by itself; from then on the key is needed. */
int lock_arm(struct swarm *s, struct error *e)
{
    _cleanup_(new_keys_done) struct new_keys k = NEW_KEYS_NULL;
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    int r = step_cluster(s, &cluster);

    if (r == 0)
        r = lock_key_text(&cluster->unlock_key, &text);
    if (r < 0)
        return error_set(e, r, "the unlock key cannot be read: %s", strerror(-r));
    /* an attempt that failed may have replaced the credential nevertheless: it needs these keyslots */
    if (access(s->files.keyslots, F_OK) == 0)
        r = lock_store_bundle(s, true, e);
    if (r == 0)
        r = make_keys(s, &k, e);
    if (r == 0)
        r = keyslots_create(s->files.keyslots, &k.kek, &text, cluster->unlock_generation, KEYSLOT_ACTIVE, e);
    if (r == 0)
        r = lock_name_header(s->files.keyslots, k.bundle, e);
    if (r == 0)
        r = make_tls_key(s, cluster, &k, e);
    if (r == 0)
        r = lock_adopt(s, &k.kek, &k.bundle, true, e);
    if (r < 0)
        return r;
    step_watch_lock(s);
    r = open_identity(s, e);
    if (r == 0)
        r = lock_finish_change(s, e);
    return r < 0 ? r : lock_record_generation(s, cluster->unlock_generation, cluster->unlock_generation);
}

/* Autolock goes out of force: a new KEK moves into the credential, sealed to this machine; only then do the keyslots go, and the DEK of
 * before. A copy of them opens nothing that is written from now on. */
int lock_disarm(struct swarm *s, struct error *e)
{
    _cleanup_(new_keys_done) struct new_keys k = NEW_KEYS_NULL;
    int r = make_keys(s, &k, e);

    if (r == 0)
        r = lock_adopt(s, &k.kek, &k.bundle, false, e);
    if (r < 0)
        return r;
    r = lock_record_generation(s, 0, 0);
    if (r == 0)
        r = keyslots_erase(s->files.keyslots, e);
    if (r == 0)
        r = file_erase(s->files.records, e);
    return r < 0 || s->file.role != PB__ROLE__MANAGER ? r : lock_finish_change(s, e);
}

/* Before the switch, since the new header has not got those ways: who looks knows why. The new header's sequence begins anew. */
static int note_loss(struct swarm *s, const struct rekey_plan *plan, struct error *e)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;
    char text[STORE_REKEY_LOST_MAX + 1];
    int r = step_node(s, s->file.node_id, &node);

    rekey_lost(plan, text, sizeof(text));
    if (r == 0)
        r = string_replace(&node->rekey_lost, text);
    if (r < 0)
        return r;
    node->keyslots_sequence = 0;
    r = step_put_node(s, node);
    return r < 0 && r != -EREMCHG ? swarm_error_change(e, r, "new keys cannot be made") : r;
}

static int prepare(struct swarm *s, const Pb__Cluster *cluster, struct rekey_plan *plan, struct new_keys *k, struct error *e)
{
    char next[PATH_MAX];
    int r = make_keys(s, k, e);

    if (r == 0)
        r = keyslots_next(s->files.keyslots, next);
    if (r == 0 && s->keys_locked)
        r = rekey_make_header(next, cluster, &k->kek, plan, e);
    if (r == 0 && s->keys_locked)
        r = lock_name_header(next, k->bundle, e);
    if (r == 0)
        r = make_tls_key(s, cluster, k, e);
    return r < 0 ? r : note_loss(s, plan, e);
}

static void tell(struct swarm *s, const Pb__Cluster *cluster, const struct rekey_plan *plan)
{
    char lost[STORE_REKEY_LOST_MAX + 1], text[sizeof(lost) + 16];

    rekey_lost(plan, lost, sizeof(lost));
    (void) snprintf(text, sizeof(text), "Gone are %s", lost);
    swarm_event(s, SWARM_EVENT_REKEYED, NULL, -1, cluster->unlock_generation, lost[0] ? text : NULL);
}

int lock_rekey(struct swarm *s, const Pb__Cluster *cluster, struct rekey_plan *plan, struct error *e)
{
    _cleanup_(new_keys_done) struct new_keys k = NEW_KEYS_NULL;
    int r = prepare(s, cluster, plan, &k, e);

    if (r < 0) {
        (void) lock_settle(s, NULL);
        return r;
    }
    r = lock_adopt(s, &k.kek, &k.bundle, s->keys_locked, e);
    if (r == 0)
        r = lock_settle(s, e);
    if (r < 0)
        return r;
    tell(s, cluster, plan);
    if (s->keys_locked) {
        (void) file_erase(s->files.records, NULL); /* of keyslots that are gone */
        rekey_tell_worked(s, plan);
        step_watch_lock(s);
    }
    return open_identity(s, e);
}
