/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the swarm knows of this manager's keys follows what its disk has. */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "pki/certificate.h"
#include "swarm/swarm_private.h"
#include "swarm/tls_file.h"

#define PEM_END "-----END CERTIFICATE-----\n"

/* The replicated state says which generation this manager's keyslots hold, and how new its header is. */
int lock_record_keyslots(struct swarm *s, uint32_t generation, uint32_t oldest, uint64_t sequence)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;
    int r;

    if (s->file.role != PB__ROLE__MANAGER)
        return 0;
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

int lock_record_generation(struct swarm *s, uint32_t generation, uint32_t oldest)
{
    uint64_t sequence = 0;
    int r = generation > 0 && s->file.role == PB__ROLE__MANAGER ? keyslots_sequence(s->files.keyslots, &sequence, NULL) : 0;

    return r < 0 ? r : lock_record_keyslots(s, generation, oldest, sequence);
}

/* Others may have changed the node, or the leader, meanwhile: whoever asked begins again. */
static int not_noted(struct error *e, int code, const char *what)
{
    return code == -EREMCHG || code == -ECANCELED || code == -ESHUTDOWN ? code : swarm_error_change(e, code, what);
}

/* As the bundle says, which went into force with the keys: a copy of the disk from before that is put back has to make new ones again. */
int lock_record_rekeyed(struct swarm *s, struct error *e)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;
    int r = step_node(s, s->file.node_id, &node);

    if (r < 0 || node->rekeyed == s->bundle->rekeyed)
        return r;
    node->rekeyed = s->bundle->rekeyed;
    r = step_put_node(s, node);
    return r < 0 ? not_noted(e, r, "the swarm cannot note that this manager has new keys") : 0;
}

/* Who has the former key, from a copy of the disk, is let in no longer. */
static int let_in_no_longer(struct swarm *s, const X509 *certificate)
{
    Pb__Revoke revoke = PB__REVOKE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    struct certificate_info info;
    int r = certificate_info(certificate, &info);

    if (r < 0)
        return r;
    revoke.id = s->file.node_id;
    revoke.certificate_digest = (ProtobufCBinaryData) { sizeof(info.digest), info.digest };
    revoke.until = info.not_after * 1000000;
    revoke.now = swarm_now();
    command.what_case = PB__COMMAND__WHAT_REVOKE;
    command.revoke = &revoke;
    return step_propose(s, &command);
}

/* The node's own one, without those that lead from it to a root. */
static int read_own(struct swarm *s, char **ret_pem, X509 **ret, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_free_ char *chain = NULL;
    char *end;
    int r = secret_copy(s->bundle->tls_key, s->bundle->tls_key_size, &key);

    if (r == 0)
        r = tls_file_read_chain(s->files.tls, &key, &chain, e);
    if (r != 0)
        return r;
    tls_file_keep_only(s->files.tls, &key);
    end = strstr(chain, PEM_END);
    if (end)
        end[strlen(PEM_END)] = '\0';
    r = certificate_from_pem(chain, ret);
    if (r == 0)
        *ret_pem = TAKE_PTR(chain);
    return r;
}

int lock_record_certificate(struct swarm *s, struct error *e)
{
    _cleanup_(X509_freep) X509 *own = NULL, *known = NULL;
    _cleanup_(node_freep) Pb__Node *node = NULL;
    _cleanup_free_ char *pem = NULL, *known_pem = NULL;
    int r = step_node(s, s->file.node_id, &node);

    if (r == 0)
        r = read_own(s, &pem, &own, e);
    if (r == 0 && !(known_pem = strndup((const char *) node->certificate.data, node->certificate.len)))
        r = -ENOMEM;
    if (r == 0 && certificate_from_pem(known_pem, &known) == 0) {
        bool same = EVP_PKEY_eq(X509_get0_pubkey(own), X509_get0_pubkey(known)) == 1;

        ERR_clear_error();
        if (same)
            return 0;
        r = let_in_no_longer(s, known);
    }
    if (r == 0)
        r = bytes_replace(&node->certificate, pem, strlen(pem));
    if (r == 0)
        r = step_put_node(s, node);
    return r < 0 ? not_noted(e, r, "the node's new certificate cannot be stored") : 0;
}
