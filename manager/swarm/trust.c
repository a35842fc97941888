/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/trust.h"

#include <stdio.h>
#include <openssl/err.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "pki/certificate.h"

static char *join(const char *first, const ProtobufCBinaryData *second, const ProtobufCBinaryData *third)
{
    char *text;

    return asprintf(&text, "%s%.*s%.*s", first, (int) second->len, (const char *) second->data, (int) third->len,
                    (const char *) third->data) < 0 ? NULL : text;
}

char *trust_ca(const Pb__Cluster *cluster)
{
    return strndup((const char *) cluster->ca_certificate.data, cluster->ca_certificate.len);
}

char *trust_roots(const Pb__Cluster *cluster)
{
    return join("", &cluster->ca_certificate, &cluster->old_ca_certificate);
}

char *trust_chain(const Pb__Cluster *cluster, const char *certificate)
{
    return join(certificate, &cluster->cross_certificate, &cluster->ca_certificate);
}

void trust_digest(const char *roots, unsigned char ret[static 32])
{
    (void) crypto_hash_sha256(ret, (const unsigned char *) roots, strlen(roots));
}

bool trust_is_current(const Pb__Cluster *cluster, const ProtobufCBinaryData *certificate)
{
    _cleanup_free_ char *pem = strndup((const char *) certificate->data, certificate->len), *ca_pem = trust_ca(cluster);
    _cleanup_(X509_freep) X509 *leaf = NULL, *ca = NULL;
    bool is;

    if (!pem || !ca_pem || certificate_from_pem(pem, &leaf) < 0 || certificate_from_pem(ca_pem, &ca) < 0)
        return false;
    is = X509_verify(leaf, X509_get0_pubkey(ca)) == 1;
    ERR_clear_error();
    return is;
}
