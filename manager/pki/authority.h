/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"
#include "pki/certificate.h"
#include "pki/pkey.h"

/* Who signs: the CA's key and its certificate. Inside pki; OpenSSL's error queue is the caller's to clear. */
struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

/* Reads both and checks that they belong together and are valid now. Errors as ca_issue has them. */
int authority_open(const struct secret *key, const char *pem, int64_t now_seconds, struct authority *ret, struct error *e);
void authority_done(struct authority *a);

struct extension {
    int nid;
    const char *value;
};

/* Adds the extensions, makes the certificate end with the authority's own at the latest, and signs it. The authority may be the certificate
 * itself with its key. A text from malloc. */
int authority_sign(const struct authority *a, X509 *certificate, const struct extension extensions[], size_t n, char **ret_pem);

/* The certificate ends with the other at the latest. */
int authority_clamp_end(X509 *certificate, const X509 *other);
