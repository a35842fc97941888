/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/membership.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys/unlock_key.h"
#include "pki/ca.h"
#include "pki/certificate.h"
#include "pki/id.h"
#include "swarm/tls_file.h"

#define FETCH_MS 10000

void membership_done(struct membership *m)
{
    secret_done(&m->tls_key);
    secret_done(&m->unlock_key);
    free(m->chain);
    free(m->roots);
    (void) identity_unref(m->identity);
}

int membership_request(struct membership *m, unsigned char **ret_request, size_t *ret_size, struct error *e)
{
    int r = ca_node_key(&m->tls_key);

    if (r == 0)
        r = ca_request(&m->tls_key, ret_request, ret_size);
    return r < 0 ? error_set(e, r, "no TLS key can be made: %s", strerror(-r)) : 0;
}

static int take_file(struct node_file *file, const Peer__Membership *reply)
{
    if (!id_is_valid(reply->node_id) || !id_is_valid(reply->swarm_id) || reply->role > PB__ROLE__MANAGER ||
        strlen(reply->address) >= sizeof(file->advertise) || (reply->role == PB__ROLE__MANAGER && (reply->raft_id == 0 || reply->raft_id > INT64_MAX)))
        return -EBADMSG;
    memcpy(file->node_id, reply->node_id, STORE_ID_LEN + 1);
    memcpy(file->swarm_id, reply->swarm_id, STORE_ID_LEN + 1);
    memcpy(file->advertise, reply->address, strlen(reply->address) + 1);
    file->role = (Pb__Role) reply->role;
    file->raft_id = reply->role == PB__ROLE__MANAGER ? reply->raft_id : 0;
    file->has_log = false;
    file->n_managers = 0;
    for (size_t i = 0; i < reply->n_managers && file->n_managers < NODE_FILE_MANAGERS_MAX; i++)
        if (reply->managers[i][0] != '\0' && strlen(reply->managers[i]) < NODE_FILE_ADDRESS_MAX)
            memcpy(file->managers[file->n_managers++], reply->managers[i], strlen(reply->managers[i]) + 1);
    return 0;
}

static int take_pem(const ProtobufCBinaryData *pem, char **ret)
{
    if (pem->len == 0 || pem->len > TLS_PEM_MAX || memchr(pem->data, 0, pem->len))
        return -EBADMSG;
    *ret = strndup((const char *) pem->data, pem->len);
    return *ret ? 0 : -ENOMEM;
}

/* The token says which root this swarm has; the others come by its word. */
static int check_pinned(const char *roots, const unsigned char *pinned)
{
    STACK_OF(X509) *list = NULL;
    unsigned char digest[32];
    int r = certificate_list_from_pem(roots, IDENTITY_ROOTS_MAX, &list);

    if (r < 0)
        return r;
    r = -EBADMSG;
    for (int i = 0; r < 0 && i < sk_X509_num(list); i++)
        if (ca_digest_of(sk_X509_value(list, i), digest) == 0 && memcmp(digest, pinned, sizeof(digest)) == 0)
            r = 0;
    certificate_list_free(list);
    return r;
}

int membership_accept(struct membership *m, const Peer__Membership *reply, const unsigned char *pinned, struct error *e)
{
    int r = take_file(&m->file, reply);

    if (r == 0)
        r = take_pem(&reply->chain, &m->chain);
    if (r == 0)
        r = take_pem(&reply->roots, &m->roots);
    if (r == 0 && pinned)
        r = check_pinned(m->roots, pinned);
    if (r < 0)
        return error_set(e, r, "the swarm's answer is not valid: %s", strerror(-r));
    return identity_new(&m->tls_key, m->chain, m->roots, &m->identity, e);
}

int membership_fetch_unlock_key(struct swarm *s, struct membership *m, struct error *e)
{
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__FetchUnlockKey fetch = PEER__FETCH_UNLOCK_KEY__INIT;
    _cleanup_(peer_reply_freep) Peer__Reply *reply = NULL;
    const char *managers[NODE_FILE_MANAGERS_MAX];
    struct call call = { .identity = m->identity, .protocol = PEER_PROTOCOL_CALL, .managers = managers, .n_managers = m->file.n_managers,
                         .request = &request, .timeout_ms = FETCH_MS, .repeatable = true };
    int r;

    request.what_case = PEER__REQUEST__WHAT_FETCH_UNLOCK_KEY;
    request.fetch_unlock_key = &fetch;
    for (unsigned i = 0; i < m->file.n_managers; i++)
        managers[i] = m->file.managers[i];
    r = step_call(s, &call, &reply, e);
    if (r < 0)
        return r;
    if (reply->what_case != PEER__REPLY__WHAT_UNLOCK_KEY)
        return error_set(e, -EPROTO, "the swarm's answer is not understood: is this machine's version the older one?");
    m->rekeyed = reply->unlock_key->rekey;
    if (!reply->unlock_key->autolock)
        return 0;
    m->generation = reply->unlock_key->generation;
    r = lock_key_text(&reply->unlock_key->key, &m->unlock_key);
    return r < 0 ? error_set(e, r, "the swarm's unlock key is not valid") : 0;
}

static int make_bundle(const struct membership *m, struct bundle **ret, struct secret *ret_kek)
{
    _cleanup_(bundle_freep) struct bundle *bundle = bundle_new();
    int r = bundle ? secret_random(KEK_SIZE, ret_kek) : -ENOMEM;

    if (r == 0)
        r = bundle_add_dek(bundle);
    if (r == 0 && m->tls_key.size > sizeof(bundle->tls_key))
        r = -EMSGSIZE;
    if (r < 0)
        return r;
    bundle->rekeyed = m->rekeyed;
    memcpy(bundle->tls_key, m->tls_key.data, m->tls_key.size);
    bundle->tls_key_size = (uint32_t) m->tls_key.size;
    *ret = TAKE_PTR(bundle);
    return 0;
}

int membership_store(struct swarm *s, struct membership *m, struct error *e)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    bool locks = m->unlock_key.size > 0;
    int r = make_bundle(m, &bundle, &kek);

    if (r < 0)
        return error_set(e, r, "no new keys can be made: %s", strerror(-r));
    r = tls_file_write_chain(s->files.tls, m->chain, e);
    if (r == 0)
        r = tls_file_write_roots(s->files.tls, m->roots, e);
    if (r == 0 && locks)
        r = keyslots_create(s->files.keyslots, &kek, &m->unlock_key, m->generation, KEYSLOT_ACTIVE, e);
    if (r == 0 && locks)
        r = lock_name_header(s->files.keyslots, bundle, e);
    return r < 0 ? r : lock_adopt(s, &kek, &bundle, locks, e);
}
