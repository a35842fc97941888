/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/certificate.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define SERIAL_BITS 128
#define CLOCK_SKEW 3600

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(BIGNUM *, BN_free)
DEFINE_CLEANUP(X509_EXTENSION *, X509_EXTENSION_free)

int certificate_to_pem(const X509 *certificate, char **ret)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
    char *data, *pem;
    long size;

    if (!bio)
        return -ENOMEM;
    if (PEM_write_bio_X509(bio, certificate) != 1)
        return -EIO;
    size = BIO_get_mem_data(bio, &data);
    if (size <= 0)
        return -EIO;
    pem = strndup(data, (size_t) size);
    if (!pem)
        return -ENOMEM;
    *ret = pem;
    return 0;
}

static int set_serial(X509 *certificate)
{
    _cleanup_(BN_freep) BIGNUM *serial = BN_new();

    if (!serial)
        return -ENOMEM;
    if (BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1 ||
        !BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)))
        return -EIO;
    return 0;
}

int certificate_new(EVP_PKEY *key, int64_t now_seconds, int days, X509 **ret)
{
    _cleanup_(X509_freep) X509 *certificate = X509_new();
    time_t now = now_seconds;
    int r;

    if (!certificate)
        return -ENOMEM;
    r = set_serial(certificate);
    if (r < 0)
        return r;
    /* refuses what has no year of four digits */
    if (now_seconds < CLOCK_SKEW || !X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -CLOCK_SKEW, &now) ||
        !X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, &now))
        return -EINVAL;
    if (X509_set_version(certificate, X509_VERSION_3) != 1 || X509_set_pubkey(certificate, key) != 1)
        return -EIO;
    *ret = TAKE_PTR(certificate);
    return 0;
}

static bool add_attribute(X509_NAME *name, int nid, const char *text)
{
    return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *) text, -1, -1, 0) == 1;
}

int certificate_set_subject(X509 *certificate, const char *organization, const char *unit, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    if (!add_attribute(subject, NID_organizationName, organization) ||
        (unit && !add_attribute(subject, NID_organizationalUnitName, unit)) || !add_attribute(subject, NID_commonName, name))
        return -EIO;
    return 0;
}

int certificate_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    _cleanup_(X509_EXTENSION_freep) X509_EXTENSION *extension = NULL;
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension || X509_add_ext(certificate, extension, -1) != 1)
        return -EIO;
    return 0;
}
