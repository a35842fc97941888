/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "basic/cleanup.h"
#include "basic/error.h"
#include "pki/id.h"

/* X.509 certificates as PEM texts, and the pieces that ours are made of. OpenSSL's error queue is the caller's to clear, but for
 * certificate_from_pem, certificate_list_from_pem and certificate_info, which leave it as it was. */

DEFINE_CLEANUP(X509 *, X509_free)

#define CERTIFICATE_PEM_MAX (64U * 1024)

/* Exactly one certificate as "-----BEGIN CERTIFICATE-----" has it, nothing before, in or behind it, in at most CERTIFICATE_PEM_MAX bytes.
 * -EBADMSG, -ENOMEM. */
int certificate_from_pem(const char *pem, X509 **ret);
/* One to max of them, in their order, in CERTIFICATE_PEM_MAX bytes together; the caller frees the list with certificate_list_free. */
int certificate_list_from_pem(const char *pem, unsigned max, STACK_OF(X509) **ret);
/* A text from malloc that ends with a newline. */
int certificate_to_pem(const X509 *certificate, char **ret);

/* The list and what is in it; NULL is allowed. */
void certificate_list_free(STACK_OF(X509) *list);

/* What a node's certificate says; true only once its chain was verified. */
struct certificate_info {
    char node_id[ID_LEN + 1], swarm_id[ID_LEN + 1], role[16]; /* role: CA_ROLE_MANAGER or CA_ROLE_WORKER */
    int64_t not_before, not_after;            /* seconds since 1970; not_after is the first at which OpenSSL says expired */
    unsigned char digest[32];                 /* SHA-256 of the DER */
};

/* -EBADMSG when it is no node certificate of our form: the subject O=swarm id, OU=role, CN=node id and nothing else, no CA, good for both
 * ends of a TLS connection. Neither issuer, signature nor time are looked at. -EIO. */
int certificate_info(const X509 *certificate, struct certificate_info *ret);

/* A version 3 certificate for key with a random serial number, valid from the hour before now_seconds. */
int certificate_new(EVP_PKEY *key, int64_t now_seconds, int days, X509 **ret);

/* The subject O=organization, OU=unit (may be NULL), CN=name. */
int certificate_set_subject(X509 *certificate, const char *organization, const char *unit, const char *name);

/* An extension as x509v3_config(5) writes it. issuer may be certificate itself. */
int certificate_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value);

/* Whether the only value of the subject's attribute nid is text, and text is not empty. */
bool certificate_subject_is(const X509 *certificate, int nid, const char *text);

/* -ETIME: not valid yet or not any more; e says so of what ("the node's certificate"). */
int certificate_check_time(const X509 *certificate, const char *what, int64_t now_seconds, struct error *e);
