/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "pki/authority.h"
#include "pki/ca.h"

/* A root of the same swarm: as OpenSSL matches issuers by their whole names, and the old root's pathlen:0 allows no other name below it. */
static int check_root(const struct authority *old, X509 *root, int64_t now, struct error *e)
{
    if (X509_NAME_cmp(X509_get_subject_name(root), X509_get_subject_name(old->certificate)) != 0 || X509_check_ca(root) != 1 ||
        X509_self_signed(root, 1) != 1)
        return error_set(e, -EBADMSG, "the new CA certificate is not a root of this swarm; make another one");
    if (EVP_PKEY_eq(X509_get0_pubkey(root), old->key) == 1)
        return error_set(e, -EINVAL, "the new CA certificate has the old one's key; make another one");
    return certificate_check_time(root, "the swarm's new CA certificate", now, e);
}

static int make_cross(const struct authority *old, X509 *root, int64_t now, char **ret_pem)
{
    static const struct extension extensions[] = {
        { NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
        { NID_key_usage, "critical,keyCertSign,cRLSign" },
        { NID_subject_key_identifier, "hash" },
        /* without this, OpenSSL takes it for self-signed, as its issuer has its name */
        { NID_authority_key_identifier, "keyid:always" },
    };
    _cleanup_(X509_freep) X509 *cross = NULL;
    int r;

    r = certificate_new(X509_get0_pubkey(root), now, CA_DAYS, &cross);
    if (r == 0)
        r = authority_clamp_end(cross, root);
    if (r == 0 && X509_set_subject_name(cross, X509_get_subject_name(root)) != 1)
        r = -EIO;
    return r == 0 ? authority_sign(old, cross, extensions, ELEMENTSOF(extensions), ret_pem) : r;
}

static int cross_sign(const struct secret *old_key, const char *old_pem, const char *new_pem, int64_t now, char **ret_pem,
                      struct error *e)
{
    _cleanup_(authority_done) struct authority old = {};
    _cleanup_(X509_freep) X509 *root = NULL;
    int r;

    r = authority_open(old_key, old_pem, now, &old, e);
    if (r < 0)
        return r;
    r = certificate_from_pem(new_pem, &root);
    if (r < 0)
        return error_set(e, r, "the swarm's new CA certificate is damaged; make another one");
    r = check_root(&old, root, now, e);
    if (r < 0)
        return r;
    r = make_cross(&old, root, now, ret_pem);
    return r < 0 ? error_set(e, r, "cannot sign the swarm's new CA with the old one: %s; check the clock", strerror(-r)) : 0;
}

int ca_cross_sign(const struct secret *old_key, const char *old_pem, const char *new_pem, int64_t now_seconds,
                  char **ret_certificate_pem, struct error *e)
{
    int r;

    (void) ERR_set_mark();
    r = cross_sign(old_key, old_pem, new_pem, now_seconds, ret_certificate_pem, e);
    (void) ERR_pop_to_mark();
    return r;
}
