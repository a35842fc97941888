/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/ca.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "pki/authority.h"
#include "pki/id.h"
#include "pki/join_token.h"

#define CA_NAME "swarm-ca"

bool ca_role_is_valid(const char *role)
{
    return strcmp(role, CA_ROLE_MANAGER) == 0 || strcmp(role, CA_ROLE_WORKER) == 0;
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
        r = authority_sign(&(struct authority) { key, root }, root, extensions, ELEMENTSOF(extensions), ret_pem);
    return r;
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

int ca_digest_of(const X509 *root, unsigned char ret[static 32])
{
    _cleanup_free_ char *pem = NULL;
    int r;

    (void) ERR_set_mark();
    r = certificate_to_pem(root, &pem);
    (void) ERR_pop_to_mark();
    return r < 0 ? r : join_token_ca_digest(pem, strlen(pem), ret);
}
