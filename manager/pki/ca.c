/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/ca.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "pki/certificate.h"
#include "pki/id.h"
#include "pki/pkey.h"

#define CA_NAME "swarm-ca"

struct extension {
    int nid;
    const char *value;
};

static int add_extensions(X509 *certificate, X509 *issuer, const struct extension extensions[], size_t n)
{
    int r;

    for (size_t i = 0; i < n; i++) {
        r = certificate_add_extension(certificate, issuer, extensions[i].nid, extensions[i].value);
        if (r < 0)
            return r;
    }
    return 0;
}

static int sign(X509 *certificate, const X509 *issuer, EVP_PKEY *issuer_key)
{
    if (X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) != 1 ||
        X509_sign(certificate, issuer_key, EVP_sha256()) <= 0)
        return -EIO;
    return 0;
}

static int make_root(EVP_PKEY *key, const char *swarm_id, int64_t now, char **ret_pem)
{
    static const struct extension extensions[] = {
        { NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
        { NID_key_usage, "critical,keyCertSign,cRLSign" },
        { NID_subject_key_identifier, "hash" },
    };
    _cleanup_(X509_freep) X509 *root = NULL;
    int r;

    r = certificate_new(key, now, CA_DAYS, &root);
    if (r == 0)
        r = certificate_set_subject(root, swarm_id, NULL, CA_NAME);
    if (r == 0)
        r = add_extensions(root, root, extensions, ELEMENTSOF(extensions));
    if (r == 0)
        r = sign(root, root, key);
    return r == 0 ? certificate_to_pem(root, ret_pem) : r;
}

static int create(const char *swarm_id, int64_t now, struct secret *ret_key_der, char **ret_pem)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(secret_done) struct secret der = SECRET_NULL;
    int r;

    if (!id_is_valid(swarm_id))
        return -EINVAL;
    r = pkey_new(&key);
    if (r == 0)
        r = pkey_to_der(key, &der);
    if (r == 0)
        r = make_root(key, swarm_id, now, ret_pem);
    if (r == 0)
        *ret_key_der = secret_take(&der);
    return r;
}

int ca_create(const char *swarm_id, int64_t now_seconds, struct secret *ret_key_der, char **ret_certificate_pem, struct error *e)
{
    int r;

    (void) ERR_set_mark();
    r = create(swarm_id, now_seconds, ret_key_der, ret_certificate_pem);
    (void) ERR_pop_to_mark();
    return r < 0 ? error_set(e, r, "cannot make the swarm's CA: %s; check the clock", strerror(-r)) : 0;
}

int ca_node_key(struct secret *ret_key_der)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    int r;

    (void) ERR_set_mark();
    r = pkey_new(&key);
    if (r == 0)
        r = pkey_to_der(key, ret_key_der);
    (void) ERR_pop_to_mark();
    return r;
}

static bool role_is_valid(const char *role)
{
    return strcmp(role, CA_ROLE_MANAGER) == 0 || strcmp(role, CA_ROLE_WORKER) == 0;
}

/* Nothing that the CA signs outlives it. */
static int clamp_end(X509 *certificate, const X509 *ca)
{
    const ASN1_TIME *end = X509_get0_notAfter(ca);

    if (ASN1_TIME_compare(X509_get0_notAfter(certificate), end) <= 0)
        return 0;
    return X509_set1_notAfter(certificate, end) == 1 ? 0 : -EIO;
}

static int make_node(X509 *ca, EVP_PKEY *ca_key, EVP_PKEY *node_key, const char *node_id, const char *role, const char *swarm_id,
                     int64_t now, char **ret_pem)
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

    (void) snprintf(names, sizeof(names), "DNS:%s,DNS:%s", node_id, role);
    r = certificate_new(node_key, now, CA_NODE_DAYS, &certificate);
    if (r == 0)
        r = clamp_end(certificate, ca);
    if (r == 0)
        r = certificate_set_subject(certificate, swarm_id, role, node_id);
    if (r == 0)
        r = add_extensions(certificate, ca, extensions, ELEMENTSOF(extensions));
    if (r == 0)
        r = sign(certificate, ca, ca_key);
    return r == 0 ? certificate_to_pem(certificate, ret_pem) : r;
}

static int issue(const struct secret *ca_key_der, const char *ca_pem, const struct secret *node_key_der, const char *node_id,
                 const char *role, const char *swarm_id, int64_t now, char **ret_pem, struct error *e)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *ca_key = NULL, *node_key = NULL;
    _cleanup_(X509_freep) X509 *ca = NULL;
    int r;

    if (!id_is_valid(node_id) || !id_is_valid(swarm_id) || !role_is_valid(role))
        return error_set(e, -EINVAL, "cannot issue a certificate: the node id, swarm id or role has no valid form");
    r = certificate_from_pem(ca_pem, &ca);
    if (r < 0)
        return error_set(e, r, "the swarm's CA certificate is damaged; restore the state from a backup or another manager");
    r = pkey_from_der(ca_key_der, &ca_key);
    if (r < 0)
        return error_set(e, r, "the swarm's CA key is damaged; restore the state from a backup or another manager");
    r = pkey_from_der(node_key_der, &node_key);
    if (r < 0)
        return error_set(e, r, "the node's TLS key is damaged; make a new one");
    if (X509_check_private_key(ca, ca_key) != 1 || !certificate_subject_is(ca, NID_organizationName, swarm_id))
        return error_set(e, -EKEYREJECTED, "the swarm's CA key and CA certificate do not belong together or not to swarm %s; "
                         "restore the state from a backup or another manager", swarm_id);
    if (X509_cmp_time(X509_get0_notBefore(ca), &(time_t) { now }) > 0 || X509_cmp_time(X509_get0_notAfter(ca), &(time_t) { now }) <= 0)
        return error_set(e, -ETIME, "the swarm's CA certificate is not valid at this time; check the clock");
    r = make_node(ca, ca_key, node_key, node_id, role, swarm_id, now, ret_pem);
    return r < 0 ? error_set(e, r, "cannot issue a certificate for node %s: %s; check the clock", node_id, strerror(-r)) : 0;
}

int ca_issue(const struct secret *ca_key, const char *ca_pem, const struct secret *node_key, const char *node_id, const char *role,
             const char *swarm_id, int64_t now_seconds, char **ret_certificate_pem, struct error *e)
{
    int r;

    (void) ERR_set_mark();
    r = issue(ca_key, ca_pem, node_key, node_id, role, swarm_id, now_seconds, ret_certificate_pem, e);
    (void) ERR_pop_to_mark();
    return r;
}
