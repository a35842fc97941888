/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "pki/ca.h"
#include "pki/certificate.h"

/* The subject's only attribute of that kind as a text. */
static int attribute(const X509 *certificate, int nid, char *ret, size_t size)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, nid, -1);
    const ASN1_STRING *value;
    size_t n;

    if (at < 0 || X509_NAME_get_index_by_NID(subject, nid, at) >= 0)
        return -EBADMSG;
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    n = (size_t) ASN1_STRING_length(value);
    if (n >= size || memchr(ASN1_STRING_get0_data(value), 0, n))
        return -EBADMSG;
    memcpy(ret, ASN1_STRING_get0_data(value), n);
    ret[n] = '\0';
    return 0;
}

bool certificate_subject_is(const X509 *certificate, int nid, const char *text)
{
    char value[64];

    return text[0] && attribute(certificate, nid, value, sizeof(value)) == 0 && strcmp(value, text) == 0;
}

static int seconds(const ASN1_TIME *time, int64_t *ret)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return -EBADMSG;
    *ret = timegm(&tm);
    return 0;
}

static int read_subject(const X509 *certificate, struct certificate_info *info)
{
    if (X509_NAME_entry_count(X509_get_subject_name(certificate)) != 3 ||
        attribute(certificate, NID_organizationName, info->swarm_id, sizeof(info->swarm_id)) < 0 ||
        attribute(certificate, NID_organizationalUnitName, info->role, sizeof(info->role)) < 0 ||
        attribute(certificate, NID_commonName, info->node_id, sizeof(info->node_id)) < 0)
        return -EBADMSG;
    if (!id_is_valid(info->swarm_id) || !id_is_valid(info->node_id) || !ca_role_is_valid(info->role))
        return -EBADMSG;
    return 0;
}

/* OpenSSL notes in the certificate what it found, under a lock of its own: hence the cast. */
static bool is_for_tls(const X509 *certificate)
{
    X509 *c = (X509 *) certificate;

    return X509_check_ca(c) == 0 && X509_check_purpose(c, X509_PURPOSE_SSL_SERVER, 0) == 1 &&
           X509_check_purpose(c, X509_PURPOSE_SSL_CLIENT, 0) == 1;
}

static int read_info(const X509 *certificate, struct certificate_info *ret)
{
    struct certificate_info info = {};
    int r;

    r = read_subject(certificate, &info);
    if (r == 0 && !is_for_tls(certificate))
        r = -EBADMSG;
    if (r == 0)
        r = seconds(X509_get0_notBefore(certificate), &info.not_before);
    if (r == 0)
        r = seconds(X509_get0_notAfter(certificate), &info.not_after);
    if (r == 0 && X509_digest(certificate, EVP_sha256(), info.digest, NULL) != 1)
        r = -EIO;
    if (r == 0)
        *ret = info;
    return r;
}

int certificate_info(const X509 *certificate, struct certificate_info *ret)
{
    int r;

    (void) ERR_set_mark();
    r = read_info(certificate, ret);
    (void) ERR_pop_to_mark();
    return r;
}

int certificate_check_time(const X509 *certificate, const char *what, int64_t now_seconds, struct error *e)
{
    time_t now = now_seconds;

    if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0)
        return error_set(e, -ETIME, "%s is not valid yet; check the clock", what);
    if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0)
        return error_set(e, -ETIME, "%s has expired; check the clock, or renew it", what);
    return 0;
}
