/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/authority.h"

#include <errno.h>

void authority_done(struct authority *a)
{
    EVP_PKEY_free(a->key);
    X509_free(a->certificate);
}

int authority_open(const struct secret *key, const char *pem, int64_t now_seconds, struct authority *ret, struct error *e)
{
    _cleanup_(authority_done) struct authority a = {};
    int r;

    r = certificate_from_pem(pem, &a.certificate);
    if (r < 0)
        return error_set(e, r, "the swarm's CA certificate is damaged; restore the state from a backup or another manager");
    r = pkey_from_der(key, &a.key);
    if (r < 0)
        return error_set(e, r, "the swarm's CA key is damaged; restore the state from a backup or another manager");
    if (X509_check_private_key(a.certificate, a.key) != 1)
        return error_set(e, -EKEYREJECTED, "the swarm's CA key and CA certificate do not belong together; restore the state from a backup "
                         "or another manager");
    r = certificate_check_time(a.certificate, "the swarm's CA certificate", now_seconds, e);
    if (r < 0)
        return r;
    *ret = a;
    a = (struct authority) {};
    return 0;
}

int authority_clamp_end(X509 *certificate, const X509 *other)
{
    const ASN1_TIME *end = X509_get0_notAfter(other);

    if (ASN1_TIME_compare(X509_get0_notAfter(certificate), end) <= 0)
        return 0;
    return X509_set1_notAfter(certificate, end) == 1 ? 0 : -EIO;
}

int authority_sign(const struct authority *a, X509 *certificate, const struct extension extensions[], size_t n, char **ret_pem)
{
    int r;

    r = authority_clamp_end(certificate, a->certificate);
    for (size_t i = 0; i < n && r == 0; i++)
        r = certificate_add_extension(certificate, a->certificate, extensions[i].nid, extensions[i].value);
    if (r < 0)
        return r;
    if (X509_set_issuer_name(certificate, X509_get_subject_name(a->certificate)) != 1 ||
        X509_sign(certificate, a->key, EVP_sha256()) <= 0)
        return -EIO;
    return certificate_to_pem(certificate, ret_pem);
}
