/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what is on disk to an active manager. */
#include <errno.h>
#include <string.h>

#include "basic/file.h"
#include "keys/credential.h"
#include "keys/unlock_key.h"
#include "swarm/swarm_private.h"

#define GIVE_UP "or give this node up with \"swarmctl leave --force\""

/* With the KEK and the bundle at hand: opens the log and waits until all that was committed is applied. */
int open_store(struct swarm *s, struct error *e)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int r;

    r = step_keyring(s, s->bundle, s->bundle->active_dek);
    if (r < 0)
        return error_set(e, r, "the data encryption keys cannot be used: %s", strerror(-r));
    r = step_replica_open(s, e);
    if (r < 0) {
        step_replica_close(s);
        return r;
    }
    r = step_cluster(s, &cluster);
    if (r < 0) {
        step_replica_close(s);
        return error_set(e, -EBADMSG, "%s holds no swarm: restore it from a backup, " GIVE_UP, s->files.raft);
    }
    return 0;
}

static int add_missing_keyslot(struct swarm *s, const ProtobufCBinaryData *key, uint32_t generation, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    int r;

    if (key->len == 0)
        return 0;
    r = lock_key_text(key, &text);
    return r < 0 ? r : keyslots_add(s->files.keyslots, &s->kek, &text, generation, e);
}

static void notice_rollback(struct swarm *s, const Pb__Cluster *cluster)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;
    uint64_t sequence;

    if (step_node(s, s->file.node_id, &node) < 0 || keyslots_sequence(s->files.keyslots, &sequence, NULL) < 0)
        return;
    if (sequence < node->keyslots_sequence || sequence < s->bundle->header_sequence)
        swarm_event(s, SWARM_EVENT_ROLLED_BACK, NULL, -1, cluster->unlock_generation, s->files.keyslots);
}

/* Brings the keyslots to what the replicated state says: a manager that was away during a rotation, whose power went in the midst of one, or
 * whose header was put back from an older copy, gets the keyslots of the keys that are in force and loses the others. */
static int reconcile_keyslots(struct swarm *s, const Pb__Cluster *cluster, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    int r;

    r = keyslots_collect(s->files.keyslots, e);
    if (r == 0)
        r = add_missing_keyslot(s, &cluster->unlock_key, cluster->unlock_generation, e);
    if (r == 0)
        r = add_missing_keyslot(s, &cluster->next_unlock_key, cluster->next_unlock_generation, e);
    if (r < 0 || cluster->next_unlock_key.len > 0)
        return r;
    r = keyslots_activate(s->files.keyslots, cluster->unlock_generation, e);
    if (r == 0)
        r = lock_key_text(&cluster->unlock_key, &text);
    if (r == 0)
        r = keyslots_retire(s->files.keyslots, &text, cluster->unlock_generation, e);
    return r < 0 ? r : lock_record_generation(s, cluster->unlock_generation);
}

static int reconcile_locked(struct swarm *s, const Pb__Cluster *cluster, struct error *e)
{
    int r;

    step_watch_lock(s);
    notice_rollback(s, cluster);
    r = reconcile_keyslots(s, cluster, e);
    /* whoever unlocked with the next key holds it */
    if (r == 0 && cluster->next_unlock_key.len > 0 && s->opened.generation == cluster->next_unlock_generation)
        r = unlock_key_confirm(s, cluster->next_unlock_generation, NULL, e);
    if (r == 0 && s->bundle->n_deks > 1)
        r = lock_finish_rewrite(s, e);
    return r;
}

/* Finishes what a power cut, or an absence, left half done. The manager is active meanwhile. */
int open_reconcile(struct swarm *s, struct error *e)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int r;

    r = step_cluster(s, &cluster);
    if (r < 0)
        return error_set(e, r, "the swarm's settings cannot be read: %s", strerror(-r));
    if (cluster->autolock)
        return s->keys_locked ? reconcile_locked(s, cluster, e) : lock_arm(s, e);
    r = s->keys_locked ? lock_disarm(s, e) : keyslots_erase(s->files.keyslots, e);
    if (r == 0 && s->bundle->n_deks > 1)
        r = lock_finish_rewrite(s, e);
    return r;
}

int open_check_lock(struct swarm *s, struct error *e)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;

    if (!s->keys_locked || step_active_cluster(s, &cluster, NULL) < 0)
        return 0;
    notice_rollback(s, cluster);
    return reconcile_keyslots(s, cluster, e);
}

static int damaged(struct swarm *s, int code, const struct error *e)
{
    swarm_event(s, SWARM_EVENT_DAMAGED, NULL, -1, 0, e->text);
    step_set_state(s, SWARM_ERROR, e->text);
    return code;
}

/* Autolock off: the credential carries the KEK. */
static int start_open(struct swarm *s, struct secret *blob, struct error *e)
{
    int r;

    r = bundle_unseal(blob, &s->kek, &s->bundle);
    if (r < 0)
        return error_set(e, -EBADMSG, "%s is damaged: restore it from a backup of this machine, " GIVE_UP, s->files.credential);
    r = open_store(s, e);
    if (r < 0)
        return r;
    step_set_state(s, SWARM_ACTIVE, NULL);
    r = open_reconcile(s, e);
    if (r < 0)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e->text);
    return 0;
}

static int start_member(struct swarm *s, struct error *e)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    struct keyslot slots[KEYSLOTS_MAX];
    bool has_kek;
    int r;

    r = credential_load(CREDENTIAL_NAME, &blob, e);
    if (r == -ENOENT)
        return error_set(e, -EBADMSG, "%s is missing: restore it from a backup of this machine, " GIVE_UP, s->files.credential);
    if (r < 0)
        return r;
    r = bundle_embedded_kek(&blob, &has_kek, &s->kek);
    if (r == -EPROTONOSUPPORT)
        return error_set(e, r, "%s was written by a newer swarm-manager: install that version", s->files.credential);
    if (r < 0)
        return error_set(e, -EBADMSG, "%s is damaged: restore it from a backup of this machine, " GIVE_UP, s->files.credential);
    s->keys_locked = !has_kek;
    if (has_kek)
        return start_open(s, &blob, e);
    r = keyslots_list(s->files.keyslots, slots, e);
    if (r == -ENOENT)
        return error_set(e, -EBADMSG, "%s is missing: restore it from a backup, " GIVE_UP, s->files.keyslots);
    if (r < 0)
        return r;
    s->blob = secret_take(&blob);
    swarm_event(s, SWARM_EVENT_LOCKED, NULL, -1, 0, NULL);
    step_set_state(s, SWARM_LOCKED, NULL);
    return 0;
}

static int start_outside(struct swarm *s, struct error *e)
{
    const struct swarm_files *f = &s->files;
    int r;

    if (access(f->sweep, F_OK) == 0) {
        r = lock_wipe(s, e);
        if (r < 0)
            return r;
    }
    if (access(f->credential, F_OK) == 0 || access(f->keyslots, F_OK) == 0 || access(f->raft, F_OK) == 0)
        return error_set(e, -EBADMSG, "%s is missing, but keys or a store are here: restore it from a backup, " GIVE_UP, f->node);
    step_set_state(s, SWARM_INACTIVE, NULL);
    return 0;
}

int open_startup(struct swarm *s)
{
    struct error e = { "" };
    int r;

    r = node_file_read(s->files.node, &s->file, &e);
    if (r == -ENOENT)
        r = start_outside(s, &e);
    else if (r == 0)
        r = start_member(s, &e);
    if (r < 0 && e.text[0] == '\0')
        (void) error_set(&e, r, "%s", strerror(-r));
    return r < 0 ? damaged(s, r, &e) : 0;
}
