/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's lock on disk: which key opens the sealed bundle, and what the swarm knows of it. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "basic/file.h"
#include "keys/credential.h"
#include "keys/unlock_key.h"
#include "swarm/swarm_private.h"
#include "swarm/tls_file.h"

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

int lock_settle(struct swarm *s, struct error *e)
{
    bool names = s->keys_locked && !sodium_is_zero(s->bundle->header_uuid, sizeof(s->bundle->header_uuid));
    char next[PATH_MAX];
    int r = keyslots_next(s->files.keyslots, next);

    /* an attempt that failed may have replaced the credential nevertheless */
    if (r == 0 && access(next, F_OK) == 0)
        r = lock_store_bundle(s, !s->keys_locked, e);
    return r < 0 ? r : keyslots_settle(s->files.keyslots, names ? s->bundle->header_uuid : NULL, e);
}

/* Forgets what this process knows of the swarm. */
void lock_forget(struct swarm *s)
{
    secret_done(&s->kek);
    secret_done(&s->blob);
    bundle_free(s->bundle);
    s->bundle = NULL;
    s->failures = 0;
    s->opened = (struct keyslot) { .slot = -1 }; /* its generation would be taken for one of the next swarm */
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
