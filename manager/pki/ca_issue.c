/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "pki/authority.h"
#include "pki/ca.h"
#include "pki/ca_request.h"
#include "pki/id.h"

/* What a certificate is to say. */
struct node {
    const char *id, *role, *swarm_id;
    int64_t now;
};

static int make_certificate(const struct authority *ca, const struct node *n, EVP_PKEY *key, char **ret_pem)
{
    char names[64];
    const struct extension extensions[] = {
        { NID_basic_constraints, "critical,CA:FALSE" },
        { NID_key_usage, "critical,digitalSignature" },
        { NID_ext_key_usage, "serverAuth,clientAuth" },
        { NID_subject_key_identifier, "hash" },
        { NID_authority_key_identifier, "keyid:always" },
        { NID_subject_alt_name, names },
    };
    _cleanup_(X509_freep) X509 *certificate = NULL;
    int r;

    (void) snprintf(names, sizeof(names), "DNS:%s,DNS:%s", n->id, n->role);
    r = certificate_new(key, n->now, CA_NODE_DAYS, &certificate);
    if (r == 0)
        r = certificate_set_subject(certificate, n->swarm_id, n->role, n->id);
    return r == 0 ? authority_sign(ca, certificate, extensions, ELEMENTSOF(extensions), ret_pem) : r;
}

static int issue(const struct secret *ca_key, const char *ca_pem, const struct node *n, EVP_PKEY *key, char **ret_pem, struct error *e)
{
    _cleanup_(authority_done) struct authority ca = {};
    int r;

    if (!id_is_valid(n->id) || !id_is_valid(n->swarm_id) || !ca_role_is_valid(n->role))
        return error_set(e, -EINVAL, "cannot issue a certificate: the node id, swarm id or role has no valid form");
    r = authority_open(ca_key, ca_pem, n->now, &ca, e);
    if (r < 0)
        return r;
    if (!certificate_subject_is(ca.certificate, NID_organizationName, n->swarm_id))
        return error_set(e, -EKEYREJECTED, "the CA is not that of swarm %s; restore the state from a backup or another manager",
                         n->swarm_id);
    r = make_certificate(&ca, n, key, ret_pem);
    return r < 0 ? error_set(e, r, "cannot issue a certificate for node %s: %s; check the clock", n->id, strerror(-r)) : 0;
}

int ca_issue(const struct secret *ca_key, const char *ca_pem, const struct secret *node_key, const char *node_id, const char *role,
             const char *swarm_id, int64_t now_seconds, char **ret_certificate_pem, struct error *e)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    const struct node n = { node_id, role, swarm_id, now_seconds };
    int r;

    (void) ERR_set_mark();
    r = pkey_from_der(node_key, &key);
    if (r < 0)
        r = error_set(e, r, "the node's TLS key is damaged; make a new one");
    else
        r = issue(ca_key, ca_pem, &n, key, ret_certificate_pem, e);
    (void) ERR_pop_to_mark();
    return r;
}

int ca_issue_request(const struct secret *ca_key, const char *ca_pem, const void *der, size_t size, const char *node_id, const char *role,
                     const char *swarm_id, int64_t now_seconds, char **ret_certificate_pem, struct error *e)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    const struct node n = { node_id, role, swarm_id, now_seconds };
    int r;

    (void) ERR_set_mark();
    r = ca_request_key(der, size, &key);
    if (r < 0)
        r = error_set(e, r, "the request for a certificate is not one that its own P-256 key has signed; make a new one");
    else
        r = issue(ca_key, ca_pem, &n, key, ret_certificate_pem, e);
    (void) ERR_pop_to_mark();
    return r;
}
