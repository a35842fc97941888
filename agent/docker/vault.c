/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/vault.h"

#include <errno.h>
#include <string.h>

#include "basic/file.h"
#include "docker/vault_private.h"
#include "keys/credential.h"

#define CREDENTIAL_NAME "swarm_keys" /* what swarm-seal@.service seals under */
#define NOTHING_STORED "nothing is enrolled: use \"swarmctl docker enroll\""

void vault_unlock(pthread_mutex_t **mutex)
{
    (void) pthread_mutex_unlock(*mutex);
}

pthread_mutex_t *vault_lock(struct vault *v)
{
    (void) pthread_mutex_lock(&v->mutex);
    return &v->mutex;
}

static void forget_keys(struct vault *v)
{
    secret_done(&v->kek);
    stored_keys_done(&v->keys);
}

/* Without the sealed keys: when they were never written, or the first step of forgetting. */
static int no_credential(struct vault *v, struct error *e)
{
    if (access(v->credential, F_OK) == 0)
        return error_set(e, -EBADMSG, "%s was not decrypted for this service: see LoadCredentialEncrypted= in swarm-agent-docker.service",
                         v->credential);
    (void) file_erase(v->erasing, NULL);
    (void) unlink(v->records);
    return keyslots_erase(v->lock, e);
}

static int read_blob(struct vault *v, struct error *e)
{
    int r = credential_load(CREDENTIAL_NAME, &v->blob, e);

    if (r == -ENOENT)
        return no_credential(v, e);
    if (r < 0)
        return r;
    r = stored_socket(&v->blob, v->socket);
    if (r == -EPROTONOSUPPORT)
        return error_set(e, r, "%s was written by a newer release: install that", v->credential);
    return r < 0 ? error_set(e, r, "%s is not what this agent has stored: remove it and enroll the Engine anew", v->credential) : 0;
}

int vault_load(struct vault *v, const char *folder, const char *seal_socket, struct error *e)
{
    *v = (struct vault) { .folder = folder, .seal_socket = seal_socket, .socket = ENGINE_SOCKET };
    (void) pthread_mutex_init(&v->mutex, NULL);
    if (path_join(v->lock, folder, "docker.luks") < 0 || path_join(v->credential, folder, "creds/keys") < 0 ||
        path_join(v->erasing, folder, ".keys.erasing") < 0 || path_join(v->records, folder, "docker.json") < 0)
        return error_set(e, -ENAMETOOLONG, "%s is too long", folder);
    return read_blob(v, e);
}

void vault_done(struct vault *v)
{
    forget_keys(v);
    secret_done(&v->blob);
    (void) pthread_mutex_destroy(&v->mutex);
}

bool vault_is_enrolled(struct vault *v)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    return v->blob.size > 0;
}

bool vault_is_open(struct vault *v)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    return v->kek.size > 0;
}

unsigned vault_count(struct vault *v)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    return v->keys.n;
}

void vault_socket(struct vault *v, char ret[static ENGINE_SOCKET_MAX])
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    (void) strcpy(ret, v->socket);
}

int vault_require(const struct vault *v, bool is_open, struct error *e)
{
    if (v->blob.size == 0)
        return error_set(e, -ENOENT, NOTHING_STORED);
    if (is_open && v->kek.size == 0)
        return error_set(e, -ENOKEY, "the stored keys are locked, as Docker Engine is: unlock it first, with \"swarmctl docker unlock\"");
    return 0;
}

static int write_keys(struct vault *v, const char *socket, const struct stored_keys *keys, const struct secret *kek, struct error *e)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    int r = stored_seal(socket, keys, kek, &blob);

    if (r < 0)
        return error_set(e, r, "cannot seal the keys: %s", strerror(-r));
    r = credential_store(v->seal_socket, v->credential, v->folder, &blob, e);
    if (r < 0)
        return r;
    secret_done(&v->blob);
    v->blob = secret_take(&blob);
    if (socket != v->socket)
        (void) strcpy(v->socket, socket);
    return 0;
}

int vault_enroll(struct vault *v, const char *socket, const struct secret *key, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 };
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    int r;

    if (v->blob.size > 0)
        return error_set(e, -EEXIST, "an Engine is enrolled already: use \"swarmctl docker forget\" first");
    r = secret_random(KEK_SIZE, &kek);
    if (r == 0)
        r = stored_keys_add(&keys, key);
    if (r < 0)
        return error_set(e, r, "no memory for new keys");
    r = keyslots_create(v->lock, &kek, key, keys.k[0].generation, KEYSLOT_ACTIVE, e);
    if (r == 0)
        r = write_keys(v, socket, &keys, &kek, e);
    if (r < 0) {
        (void) keyslots_erase(v->lock, NULL);
        return r;
    }
    v->kek = secret_take(&kek);
    v->keys = keys;
    keys.n = 0;
    return 0;
}

int vault_set_socket(struct vault *v, const char *socket, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    int r = vault_require(v, true, e);

    return r < 0 || strcmp(socket, v->socket) == 0 ? r : write_keys(v, socket, &v->keys, &v->kek, e);
}

int vault_forget(struct vault *v, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    int r = vault_require(v, false, e);

    if (r == 0)
        r = file_rename(v->credential, v->erasing, e);
    if (r < 0)
        return r;
    (void) file_erase(v->erasing, NULL);
    forget_keys(v);
    secret_done(&v->blob);
    (void) strcpy(v->socket, ENGINE_SOCKET);
    (void) unlink(v->records);
    return keyslots_erase(v->lock, e);
}

int vault_open(struct vault *v, const struct secret *passphrase, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    struct stored_keys keys;
    struct keyslot slot;
    int r = vault_require(v, false, e);

    if (r == 0)
        r = keyslots_open(v->lock, passphrase, &kek, &slot, e);
    if (r != 0)
        return r;
    r = stored_open(&v->blob, &kek, &keys);
    if (r < 0)
        return error_set(e, -EBADMSG, "%s and %s do not belong together, or one is damaged: use \"swarmctl docker forget\" and enroll the Engine anew",
                         v->lock, v->credential);
    forget_keys(v);
    v->kek = secret_take(&kek);
    v->keys = keys;
    vault_record(v, slot.slot, true, NULL);
    return 0;
}

void vault_close(struct vault *v)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    forget_keys(v);
}

int vault_key(struct vault *v, unsigned i, struct secret *ret)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    return i < v->keys.n ? secret_copy(v->keys.k[i].text.data, v->keys.k[i].text.size, ret) : -ENOENT;
}

/* The lock opens with the newest key and with the one before it, under the same numbers. The credential was written before, so whatever is
 * missing here is made good the next time. */
static int mend_keyslots(struct vault *v, struct error *e)
{
    const struct stored_key *newest = &v->keys.k[0], *former = v->keys.n > 1 ? &v->keys.k[1] : NULL;
    int r = keyslots_collect(v->lock, e);

    if (r < 0)
        return r;
    if (former) /* room for the new one */
        (void) keyslots_retire(v->lock, &former->text, former->generation, newest->generation, NULL);
    r = keyslots_add(v->lock, &v->kek, &newest->text, newest->generation, NULL, e);
    if (r == 0)
        r = keyslots_activate(v->lock, newest->generation, e);
    return r < 0 ? r : keyslots_retire(v->lock, &newest->text, newest->generation, former ? former->generation : 0, e);
}

/* A copy is changed, written, and only then counts. */
static int copy_keys(const struct stored_keys *from, struct stored_keys *ret)
{
    *ret = (struct stored_keys) { .n = 0 };
    for (; ret->n < from->n; ret->n++) {
        ret->k[ret->n] = from->k[ret->n];
        ret->k[ret->n].text = SECRET_NULL;
        if (secret_copy(from->k[ret->n].text.data, from->k[ret->n].text.size, &ret->k[ret->n].text) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int replace_keys(struct vault *v, struct stored_keys *keys, struct error *e)
{
    int r = write_keys(v, v->socket, keys, &v->kek, e);

    if (r < 0)
        return r;
    stored_keys_done(&v->keys);
    v->keys = *keys;
    keys->n = 0;
    return 0;
}

int vault_put(struct vault *v, const struct secret *key, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 };
    bool is_new;
    int r = vault_require(v, true, e);

    if (r < 0)
        return r;
    is_new = stored_keys_find(&v->keys, key) != 0;
    if (is_new) {
        r = copy_keys(&v->keys, &keys);
        if (r == 0)
            r = stored_keys_add(&keys, key);
        r = r < 0 ? error_set(e, r, "no memory for a new key") : replace_keys(v, &keys, e);
    }
    if (r == 0)
        r = mend_keyslots(v, e);
    return r < 0 ? r : is_new;
}

int vault_started(struct vault *v, const struct secret *key, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 };
    int i, r = vault_require(v, true, e);

    if (r < 0)
        return r;
    i = stored_keys_find(&v->keys, key);
    if (i < 0)
        return error_set(e, i, "that key is not stored");
    if (v->keys.k[i].started && (unsigned) i + 1 == v->keys.n)
        return 0;
    r = copy_keys(&v->keys, &keys);
    if (r < 0)
        return error_set(e, r, "no memory for the keys");
    stored_keys_started(&keys, (unsigned) i);
    r = replace_keys(v, &keys, e);
    return r < 0 ? r : mend_keyslots(v, e);
}
