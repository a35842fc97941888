/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/certificate.h"
#include "pki/pkey.h"

/* 128 bits of security: what P-256 and SHA-256 have. */
#define AUTH_LEVEL 3

DEFINE_CLEANUP(X509_STORE *, X509_STORE_free)
DEFINE_CLEANUP(X509_STORE_CTX *, X509_STORE_CTX_free)

/* Everything but the time, which is judged last, so that a certificate that has merely expired is known as such. */
static int check_chain(X509 *ca, X509 *certificate, struct error *e)
{
    _cleanup_(X509_STORE_CTX_freep) X509_STORE_CTX *context = X509_STORE_CTX_new();
    _cleanup_(X509_STORE_freep) X509_STORE *trusted = X509_STORE_new();
    X509_VERIFY_PARAM *param;

    if (!context || !trusted || X509_STORE_add_cert(trusted, ca) != 1 ||
        X509_STORE_CTX_init(context, trusted, certificate, NULL) != 1)
        return error_set(e, -ENOMEM, "cannot check the node's certificate: out of memory");
    param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    (void) X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    if (X509_verify_cert(context) != 1)
        return error_set(e, -EBADMSG, "the node's certificate is not from this swarm's CA: %s; let the swarm issue a new one",
                         X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    return 0;
}

static int check_subject(const X509 *ca, const X509 *certificate, const char *node_id, struct error *e)
{
    struct certificate_info info;
    int r;

    r = certificate_info(certificate, &info);
    if (r < 0)
        return error_set(e, r, "the certificate of node %s is not one for TLS in a swarm; let the swarm issue a new one", node_id);
    if (strcmp(info.node_id, node_id) != 0 || !certificate_subject_is(ca, NID_organizationName, info.swarm_id))
        return error_set(e, -EBADMSG, "the certificate is not that of node %s; let the swarm issue a new one", node_id);
    return 0;
}

static int check(const char *ca_pem, const char *certificate_pem, const struct secret *node_key, const char *node_id, int64_t now,
                 struct error *e)
{
    _cleanup_(X509_freep) X509 *ca = NULL, *certificate = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    int r;

    r = certificate_from_pem(ca_pem, &ca);
    if (r < 0)
        return error_set(e, r, "the swarm's CA certificate is damaged; restore it from a backup or another manager");
    r = certificate_from_pem(certificate_pem, &certificate);
    if (r < 0)
        return error_set(e, r, "the node's certificate is damaged; let the swarm issue a new one");
    r = check_chain(ca, certificate, e);
    if (r == 0)
        r = check_subject(ca, certificate, node_id, e);
    if (r < 0)
        return r;
    r = pkey_from_der(node_key, &key);
    if (r < 0)
        return error_set(e, r, "the TLS key of node %s is damaged; let the swarm issue a certificate for a new one", node_id);
    if (X509_check_private_key(certificate, key) != 1)
        return error_set(e, -EKEYREJECTED, "the certificate of node %s belongs to another TLS key; let the swarm issue a new one",
                         node_id);
    r = certificate_check_time(ca, "the swarm's CA certificate", now, e);
    return r < 0 ? r : certificate_check_time(certificate, "the node's certificate", now, e);
}

int ca_check(const char *ca_pem, const char *certificate_pem, const struct secret *node_key, const char *node_id, int64_t now_seconds,
             struct error *e)
{
    int r;

    (void) ERR_set_mark();
    r = check(ca_pem, certificate_pem, node_key, node_id, now_seconds, e);
    (void) ERR_pop_to_mark();
    return r;
}
