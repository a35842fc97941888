/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's lock on disk: which key opens the sealed bundle, and the two switches between "autolock on" and "off". */
#include <errno.h>
#include <string.h>

#include "basic/file.h"
#include "keys/credential.h"
#include "keys/unlock_key.h"
#include "pki/ca.h"
#include "swarm/swarm_private.h"
#include "swarm/tls_file.h"
#include "swarm/trust.h"

/* One rename replaces the whole credential, so it is at any instant the old one or the new one. */
int lock_store_bundle(struct swarm *s, bool with_kek, struct error *e)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    int r;

    r = bundle_seal(s->bundle, &s->kek, with_kek, &blob);
    if (r < 0)
        return error_set(e, r, "the key bundle cannot be sealed: %s", strerror(-r));
    return credential_store(s->seal_socket, s->files.credential, s->folder, &blob, e);
}

int lock_key_text(const ProtobufCBinaryData *key, struct secret *ret_text)
{
    _cleanup_(secret_done) struct secret copy = SECRET_NULL;
    int r;

    if (key->len != UNLOCK_KEY_SIZE)
        return -ENODATA;
    r = secret_copy(key->data, key->len, &copy);
    return r < 0 ? r : unlock_key_format(&copy, ret_text);
}

static int new_tls_key(struct swarm *s, const Pb__Cluster *cluster, struct bundle *bundle, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, ca_key = SECRET_NULL;
    _cleanup_(node_freep) Pb__Node *node = NULL;
    _cleanup_free_ char *certificate = NULL;
    _cleanup_free_ char *ca = NULL, *chain = NULL;
    int r;

    r = ca_node_key(&key);
    if (r == 0 && key.size > BUNDLE_TLS_KEY_MAX)
        r = -EMSGSIZE;
    if (r == 0)
        r = secret_copy(cluster->ca_key.data, cluster->ca_key.len, &ca_key);
    if (r < 0)
        return error_set(e, r, "no new TLS key can be made: %s", strerror(-r));
    ca = trust_ca(cluster);
    if (!ca)
        return error_set(e, -ENOMEM, "out of memory");
    r = ca_issue(&ca_key, ca, &key, s->file.node_id, CA_ROLE_MANAGER, s->file.swarm_id, swarm_now() / 1000000, &certificate, e);
    if (r == 0)
        r = step_node(s, s->file.node_id, &node);
    if (r < 0)
        return r;
    memcpy(bundle->tls_key, key.data, key.size);
    bundle->tls_key_size = (uint32_t) key.size;
    chain = trust_chain(cluster, certificate);
    if (!chain)
        return error_set(e, -ENOMEM, "out of memory");
    r = tls_file_write_chain(s->files.tls, chain, e);
    if (r < 0)
        return r;
    r = bytes_replace(&node->certificate, certificate, strlen(certificate));
    if (r == 0)
        r = step_put_node(s, node);
    return r < 0 ? error_set(e, r, "the node's new certificate cannot be stored: %s", strerror(-r)) : 0;
}

int lock_adopt(struct swarm *s, struct secret *kek, struct bundle **bundle, bool locks, struct error *e)
{
    struct secret old_kek = secret_take(&s->kek);
    struct bundle *old = s->bundle;
    int r;

    s->kek = secret_take(kek);
    s->bundle = TAKE_PTR(*bundle);
    r = lock_store_bundle(s, !locks, e);
    if (r < 0) {
        *bundle = s->bundle;
        *kek = s->kek;
        s->bundle = old;
        s->kek = old_kek;
        return r;
    }
    s->keys_locked = locks;
    bundle_free(old);
    secret_done(&old_kek);
    return 0;
}

static struct bundle *bundle_copy(const struct bundle *b)
{
    struct bundle *copy = bundle_new();

    if (copy)
        *copy = *b;
    return copy;
}

/* Everything on disk that the previous DEKs open is rewritten or deleted, then they are forgotten. */
int lock_finish_rewrite(struct swarm *s, struct error *e)
{
    int r;

    r = step_keyring(s, s->bundle, s->bundle->active_dek);
    if (r == 0)
        r = step_replica_rewrite(s);
    if (r < 0)
        return error_set(e, r, "the log cannot be rewritten under its new key: %s; this is tried again at the next start", strerror(-r));
    bundle_drop_old_deks(s->bundle);
    r = lock_store_bundle(s, !s->keys_locked, e);
    return r < 0 ? r : step_keyring(s, s->bundle, s->bundle->active_dek);
}

/* Autolock comes into force: a new KEK behind the unlock key's keyslot, a new DEK and a new TLS key, none of which were ever on disk in a
 * form that opens without the unlock key. Until the bundle's rename the old credential opens by itself; from then on the key is needed. */
int lock_arm(struct swarm *s, struct error *e)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, text = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    uint64_t sequence = 0;
    int r;

    r = step_cluster(s, &cluster);
    if (r == 0)
        r = lock_key_text(&cluster->unlock_key, &text);
    if (r == 0)
        r = secret_random(KEK_SIZE, &kek);
    if (r == 0 && !(bundle = bundle_copy(s->bundle)))
        r = -ENOMEM;
    if (r == 0)
        r = bundle_add_dek(bundle);
    if (r < 0)
        return error_set(e, r, "no new keys can be made: %s", strerror(-r));
    r = keyslots_create(s->files.keyslots, &kek, &text, cluster->unlock_generation, KEYSLOT_ACTIVE, e);
    if (r == 0)
        r = keyslots_sequence(s->files.keyslots, &sequence, e);
    if (r == 0)
        r = new_tls_key(s, cluster, bundle, e);
    if (r < 0)
        return r;
    bundle->header_sequence = sequence;
    r = lock_adopt(s, &kek, &bundle, true, e);
    if (r < 0)
        return r;
    step_watch_lock(s);
    r = open_identity(s, e);
    if (r == 0)
        r = lock_finish_rewrite(s, e);
    if (r == 0)
        r = lock_record_generation(s, cluster->unlock_generation, cluster->unlock_generation);
    return r;
}

int lock_replace_tls_key(struct swarm *s, const struct secret *tls_key, struct error *e)
{
    _cleanup_(bundle_freep) struct bundle *bundle = bundle_copy(s->bundle);
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    int r = bundle ? secret_copy(s->kek.data, s->kek.size, &kek) : -ENOMEM;

    if (r == 0 && tls_key->size > sizeof(bundle->tls_key))
        r = -EMSGSIZE;
    if (r < 0)
        return error_set(e, r, "the node's TLS key cannot be replaced: %s", strerror(-r));
    memcpy(bundle->tls_key, tls_key->data, tls_key->size);
    bundle->tls_key_size = (uint32_t) tls_key->size;
    r = lock_adopt(s, &kek, &bundle, s->keys_locked, e);
    if (r == 0)
        tls_file_keep_only(s->files.tls, tls_key);
    return r;
}

/* Autolock goes out of force: the KEK moves into the credential, sealed to this machine; only then do the keyslots go. */
int lock_disarm(struct swarm *s, struct error *e)
{
    int r;

    s->bundle->header_sequence = 0;
    r = lock_store_bundle(s, true, e);
    if (r < 0)
        return r;
    s->keys_locked = false;
    r = lock_record_generation(s, 0, 0);
    if (r == 0)
        r = keyslots_erase(s->files.keyslots, e);
    if (r == 0)
        r = file_erase(s->files.records, e);
    return r;
}

/* The replicated state says which generation this manager's keyslots hold, and how new its header is. */
int lock_record_generation(struct swarm *s, uint32_t generation, uint32_t oldest)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;
    uint64_t sequence = 0;
    int r;

    if (s->file.role != PB__ROLE__MANAGER)
        return 0;
    if (generation > 0) {
        r = keyslots_sequence(s->files.keyslots, &sequence, NULL);
        if (r < 0)
            return r;
    }
    r = step_node(s, s->file.node_id, &node);
    if (r < 0)
        return r;
    if (node->key_generation == generation && node->oldest_key_generation == oldest && node->keyslots_sequence == sequence)
        return 0;
    node->key_generation = generation;
    node->oldest_key_generation = oldest;
    node->keyslots_sequence = sequence;
    return step_put_node(s, node);
}

/* Forgets what this process knows of the swarm. */
void lock_forget(struct swarm *s)
{
    secret_done(&s->kek);
    secret_done(&s->blob);
    bundle_free(s->bundle);
    s->bundle = NULL;
    s->failures = 0;
    memset(&s->file, 0, sizeof(s->file));
}

/* Takes the credential out of the folder that systemd loads before it is overwritten: a half erased one would keep the manager from starting,
 * and so from sweeping. */
static int erase_credential(const struct swarm_files *f, struct error *e)
{
    int r;

    if (rename(f->credential, f->erasing) < 0 && errno != ENOENT)
        return error_set(e, -errno, "%s cannot be removed: %s", f->credential, strerror(errno));
    r = folder_sync(f->credential);
    if (r == 0)
        r = folder_sync(f->erasing);
    return r < 0 ? r : file_erase(f->erasing, e);
}

/* node.json.sweep says that what lies here belongs to no swarm (yet, or any more): a start that finds it wipes. The keys go first: without
 * them the rest cannot be read. */
int lock_wipe(struct swarm *s, struct error *e)
{
    const struct swarm_files *f = &s->files;
    int r, first = 0;

    if (rename(f->node, f->sweep) < 0 && errno == ENOENT && access(f->sweep, F_OK) < 0)
        first = file_write(f->sweep, "", 0, 0600, e);
    if (first == 0)
        first = folder_sync(f->sweep);
    if (first < 0)
        return first;
    r = erase_credential(f, e);
    first = first < 0 ? first : r;
    r = keyslots_erase(f->keyslots, e);
    first = first < 0 ? first : r;
    r = folder_remove(f->raft, e);
    first = first < 0 ? first : r;
    r = file_erase(f->highwater, e);
    first = first < 0 ? first : r;
    r = file_erase(f->records, e);
    first = first < 0 ? first : r;
    r = file_erase(f->offline, e);
    first = first < 0 ? first : r;
    r = folder_remove(f->tls, e);
    first = first < 0 ? first : r;
    return first < 0 ? first : file_erase(f->sweep, e);
}
