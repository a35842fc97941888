/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what is on disk to an active manager. */
#include <errno.h>
#include <string.h>

#include "basic/file.h"
#include "keys/credential.h"
#include "keys/unlock_key.h"
#include "pki/ca.h"
#include "pki/certificate.h"
#include "swarm/served.h"
#include "swarm/tls_file.h"
#include "swarm/trust.h"

#define PEM_END "-----END CERTIFICATE-----\n"
#define GIVE_UP "or give this node up with \"swarmctl leave --force\""

static int check_chain(const char *chain, int64_t now)
{
    STACK_OF(X509) *list = NULL;
    struct certificate_info info;
    int r = certificate_list_from_pem(chain, IDENTITY_CHAIN_MAX, &list);

    if (r == 0)
        r = certificate_info(sk_X509_value(list, 0), &info);
    certificate_list_free(list);
    return r != 0 ? r : now < info.not_after ? 0 : -ETIME;
}

/* Every manager has the CA's key: with it one whose certificate has ended while it was off, or does not fit its key, helps itself. */
static int issue_own(struct swarm *s, const struct secret *key, const Pb__Cluster *cluster, char **ret_chain, struct error *e)
{
    _cleanup_(secret_done) struct secret ca_key = SECRET_NULL;
    _cleanup_free_ char *ca = trust_ca(cluster), *roots = trust_roots(cluster), *certificate = NULL, *chain = NULL;
    int r = ca && roots ? secret_copy(cluster->ca_key.data, cluster->ca_key.len, &ca_key) : -ENOMEM;

    if (r == 0)
        r = ca_issue(&ca_key, ca, key, s->file.node_id, CA_ROLE_MANAGER, s->file.swarm_id, swarm_now() / 1000000, &certificate, e);
    if (r == 0 && !(chain = trust_chain(cluster, certificate)))
        r = -ENOMEM;
    if (r == 0)
        r = tls_file_write_chain(s->files.tls, chain, e);
    if (r == 0)
        r = tls_file_write_roots(s->files.tls, roots, e);
    if (r == 0)
        *ret_chain = TAKE_PTR(chain);
    return r;
}

static int read_chain(struct swarm *s, const struct secret *key, char **ret, struct error *e)
{
    _cleanup_free_ char *chain = NULL;
    int r = tls_file_read_chain(s->files.tls, key, &chain, e);

    if (r == 0)
        r = check_chain(chain, swarm_now() / 1000000);
    if (r == 0)
        *ret = TAKE_PTR(chain);
    return r;
}

static int own_key(const struct swarm *s, struct secret *ret)
{
    return secret_copy(s->bundle->tls_key, s->bundle->tls_key_size, ret);
}

static int open_network(struct swarm *s, const struct secret *key, const char *chain, struct error *e)
{
    _cleanup_(identity_unrefp) struct identity *identity = NULL;
    _cleanup_free_ char *roots = NULL;
    int r = tls_file_read_roots(s->files.tls, &roots, e);

    if (r == 0)
        r = identity_new(key, chain, roots, &identity, e);
    return r < 0 ? r : step_network_open(s, identity, e);
}

int open_renew(struct swarm *s, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    _cleanup_(node_freep) Pb__Node *node = NULL;
    _cleanup_free_ char *chain = NULL;
    const char *end;
    int r = step_active_cluster(s, &cluster, e);

    if (r == 0)
        r = step_node(s, s->file.node_id, &node);
    if (r == 0)
        r = own_key(s, &key);
    if (r == 0)
        r = issue_own(s, &key, cluster, &chain, e);
    if (r == 0)
        r = open_identity(s, e);
    if (r != 0)
        return r;
    end = strstr(chain, PEM_END);
    r = bytes_replace(&node->certificate, chain, end ? (size_t) (end - chain) + strlen(PEM_END) : strlen(chain));
    return r < 0 ? r : step_put_node(s, node);
}

int open_identity(struct swarm *s, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    _cleanup_free_ char *chain = NULL;
    int r = own_key(s, &key);

    if (r < 0)
        return r;
    r = read_chain(s, &key, &chain, e);
    if (r < 0 && s->file.role == PB__ROLE__MANAGER && (step_cluster(s, &cluster) == 0 || step_cluster_ahead(s, &cluster) == 0))
        r = issue_own(s, &key, cluster, &chain, e);
    if (r < 0)
        return error_set(e, r, "this node has no valid certificate (%s): remove it from the swarm, \"swarmctl leave --force\" here, and join anew",
                         strerror(-r));
    return open_network(s, &key, chain, e);
}

/* With the KEK and the bundle at hand: opens the log, and alone waits until all that was committed is applied. Among others a manager has
 * nothing applied before it has heard the leader, and the leader does not let it in without a good certificate: then it takes the CA from the
 * log as that is. */
int open_store(struct swarm *s, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    _cleanup_free_ char *chain = NULL;
    int r, waits;

    r = step_keyring(s, s->bundle, s->bundle->active_dek);
    if (r < 0)
        return error_set(e, r, "the data encryption keys cannot be used: %s", strerror(-r));
    if (own_key(s, &key) == 0)
        (void) read_chain(s, &key, &chain, NULL);
    waits = step_replica_open(s, !chain, e);
    if (waits < 0) {
        step_forget_ahead(s);
        step_replica_close(s);
        return waits;
    }
    r = waits ? 0 : step_cluster(s, &cluster);
    if (r < 0)
        (void) error_set(e, -EBADMSG, "%s holds no swarm: restore it from a backup, " GIVE_UP, s->files.raft);
    else
        r = chain ? open_network(s, &key, chain, e) : open_identity(s, e);
    step_forget_ahead(s);
    if (r < 0) {
        step_network_close(s);
        step_replica_close(s);
        return r;
    }
    return waits;
}

/* What a manager had that became a worker. */
static int clear_manager(struct swarm *s, struct error *e)
{
    int r = keyslots_erase(s->files.keyslots, e);

    if (r == 0)
        r = folder_remove(s->files.raft, e);
    if (r == 0)
        r = file_erase(s->files.highwater, e);
    return r < 0 ? r : file_erase(s->files.records, e);
}

int open_member(struct swarm *s, struct error *e)
{
    int r;

    if (s->file.role == PB__ROLE__MANAGER) {
        (void) file_erase(s->files.offline, NULL); /* of a worker that was promoted */
        return open_store(s, e);
    }
    r = s->keys_locked ? lock_disarm(s, e) : 0;
    if (r == 0)
        r = clear_manager(s, e);
    if (r == 0)
        served_offline_load(s);
    return r < 0 ? r : open_identity(s, e);
}

void open_undo(struct swarm *s)
{
    step_network_close(s);
    step_replica_close(s);
    lock_forget(s);
}

static void leave_served(void *data, struct completion *c)
{
    served_left(data);
    completion_done(c, 0);
}

int open_leave(struct swarm *s, struct error *e)
{
    open_undo(s);
    (void) lifecycle_on_loop(s->lifecycle, leave_served, s);
    return lock_wipe(s, e);
}

static void notice_rollback(struct swarm *s, const Pb__Cluster *cluster, uint64_t sequence)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;

    if (step_node(s, s->file.node_id, &node) < 0)
        return;
    if (sequence < node->keyslots_sequence || sequence < s->bundle->header_sequence)
        swarm_event(s, SWARM_EVENT_ROLLED_BACK, NULL, -1, cluster->unlock_generation, s->files.keyslots);
}

/* Brings the keyslots to what the replicated state says: a manager that was away during a rotation, whose power went in the midst of one, or
 * whose header was put back from an older copy, gets the keyslots of the keys that are in force and loses the others. */
static int follow(struct swarm *s, const Pb__Cluster *cluster, struct keyslots_followed *ret, struct error *e)
{
    const bool has_next = cluster->next_unlock_key.len > 0;
    _cleanup_(secret_done) struct secret key = SECRET_NULL, next = SECRET_NULL;
    struct keyslots_wanted wanted = {
        .kek = &s->kek,
        .generation = cluster->unlock_generation,
        .next_generation = cluster->next_unlock_generation,
        .keep = cluster->retiring_generation,
    };
    int r = 0;

    if (cluster->unlock_key.len > 0 || !has_next) {
        r = lock_key_text(&cluster->unlock_key, &key);
        wanted.key = &key;
    }
    if (r == 0 && has_next) {
        r = lock_key_text(&cluster->next_unlock_key, &next);
        wanted.next = &next;
    }
    return r < 0 ? r : keyslots_follow(s->files.keyslots, &wanted, &s->keyslots_proofs, ret, e);
}

static int record(struct swarm *s, const Pb__Cluster *cluster, uint64_t sequence)
{
    return lock_record_keyslots(s, cluster->next_unlock_key.len > 0 ? cluster->next_unlock_generation : cluster->unlock_generation,
                                cluster->retiring_generation > 0 ? cluster->retiring_generation : cluster->unlock_generation, sequence);
}

int open_reconcile_keyslots(struct swarm *s, const Pb__Cluster *cluster, struct error *e)
{
    struct keyslots_followed followed;
    int r = follow(s, cluster, &followed, e);

    return r < 0 ? r : record(s, cluster, followed.after);
}

/* What others may have done to it. Settled first: the header that the credential names may still wait beside the former one. */
static int check_lock(struct swarm *s, const Pb__Cluster *cluster, struct error *e)
{
    struct keyslots_followed followed;
    int r = lock_settle(s, e), remade = 0;

    if (r < 0)
        return r;
    if (r > 0)
        step_watch_lock(s);
    r = follow(s, cluster, &followed, e);
    if (r == -EKEYREJECTED)
        remade = lock_remake(s, cluster, e);
    if (remade != 0)
        return remade < 0 ? remade : open_reconcile_keyslots(s, cluster, e);
    if (r < 0)
        return r;
    notice_rollback(s, cluster, followed.before);
    return record(s, cluster, followed.after);
}

static int reconcile_locked(struct swarm *s, const Pb__Cluster *cluster, struct error *e)
{
    int r;

    step_watch_lock(s);
    r = check_lock(s, cluster, e);
    /* whoever unlocked with the next key holds it */
    if (r == 0 && cluster->next_unlock_key.len > 0 && s->opened.generation == cluster->next_unlock_generation)
        r = unlock_key_confirm(s, cluster->next_unlock_generation, 0, NULL, e);
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
        r = s->keys_locked ? reconcile_locked(s, cluster, e) : lock_arm(s, e);
    else
        r = s->keys_locked ? lock_disarm(s, e) : keyslots_erase(s->files.keyslots, e);
    return r < 0 ? r : lock_finish_change(s, e);
}

int open_check_lock(struct swarm *s, struct error *e)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;

    if (!s->keys_locked || step_active_cluster(s, &cluster, NULL) < 0)
        return 0;
    return check_lock(s, cluster, e);
}

static int know_log(struct swarm *s, struct error *e)
{
    if (s->file.has_log)
        return 0;
    s->file.has_log = true;
    return node_file_write(s->files.node, &s->file, e);
}

int open_catch_up(struct swarm *s)
{
    struct error e = { "" };
    int r;

    if (!s->bundle || s->file.role != PB__ROLE__MANAGER || step_get_state(s) != SWARM_ACTIVE)
        return 0;
    r = know_log(s, &e);
    if (r == 0)
        r = open_reconcile(s, &e);
    if (r == -ESTALE || r == -EREMCHG || r == -ECANCELED)
        return -EAGAIN;
    if (r < 0 && r != -ESHUTDOWN && r != -ECANCELED)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e.text[0] ? e.text : strerror(-r));
    return r == -EAGAIN ? -EIO : r;
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
    r = open_member(s, e);
    if (r != 0)
        return r < 0 ? r : 0;
    step_set_state(s, SWARM_ACTIVE, NULL);
    if (s->file.role == PB__ROLE__WORKER)
        return 0;
    r = open_reconcile(s, e);
    if (r < 0)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e->text);
    return 0;
}

static uint32_t newest_generation(const struct keyslot *slots, int n)
{
    uint32_t newest = 0;

    for (int i = 0; i < n; i++)
        if (slots[i].generation > newest)
            newest = slots[i].generation;
    return newest;
}

/* Before anybody unlocks: the agent works on the lock by itself. */
static int settle_lock(struct swarm *s, const struct secret *blob, struct error *e)
{
    unsigned char uuid[BUNDLE_UUID_SIZE];
    int r = bundle_names_header(blob, uuid);

    /* what was read may have been renamed into place a moment before the last process was killed */
    if (r >= 0)
        (void) folder_sync(s->files.credential);
    return r < 0 ? r : keyslots_settle(s->files.keyslots, r > 0 ? uuid : NULL, e);
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
    r = settle_lock(s, &blob, e);
    if (r < 0)
        return r;
    r = keyslots_list(s->files.keyslots, slots, e);
    if (r == -ENOENT)
        return error_set(e, -EBADMSG, "%s is missing: restore it from a backup, " GIVE_UP, s->files.keyslots);
    if (r < 0)
        return r;
    s->blob = secret_take(&blob);
    swarm_event(s, SWARM_EVENT_LOCKED, NULL, -1, 0, NULL);
    step_set_locked(s, newest_generation(slots, r));
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
    (void) folder_remove(f->tls, NULL);
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
