/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "basic/cleanup.h"

/* X.509 certificates as PEM texts, and the pieces that ours are made of. OpenSSL's error queue is the caller's to clear. */

DEFINE_CLEANUP(X509 *, X509_free)

#define CERTIFICATE_PEM_MAX (64U * 1024)

/* Exactly one certificate, nothing behind it. -EBADMSG. */
int certificate_from_pem(const char *pem, X509 **ret);
/* A text from malloc that ends with a newline. */
int certificate_to_pem(X509 *certificate, char **ret);

/* A version 3 certificate for key with a random serial number, valid from the hour before now_seconds. */
int certificate_new(EVP_PKEY *key, int64_t now_seconds, int days, X509 **ret);

/* The subject O=organization, OU=unit (may be NULL), CN=name. */
int certificate_set_subject(X509 *certificate, const char *organization, const char *unit, const char *name);

/* An extension as x509v3_config(5) writes it. issuer may be certificate itself. */
int certificate_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value);

/* Whether the only value of the subject's attribute nid is text, and text is not empty. */
bool certificate_subject_is(const X509 *certificate, int nid, const char *text);
/* Likewise the same in both. */
bool certificate_subject_same(const X509 *a, const X509 *b, int nid);
