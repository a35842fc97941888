/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/error.h"
#include "basic/secret.h"

/* The swarm's own certificate authority: P-256 keys as PKCS#8 DER, certificates as PEM texts (from malloc, ending with a newline) signed
 * with ECDSA and SHA-256. Times are seconds since 1970. Every call leaves OpenSSL's error queue as it was.
 *
 * Common errors: -EINVAL an id, role or time has no valid form; -EBADMSG a key or certificate given is damaged; -ENOMEM; -EIO OpenSSL
 * failed. */

#define CA_DAYS (20 * 365 + 5)
#define CA_NODE_DAYS 90
#define CA_ROLE_MANAGER "swarm-manager"
#define CA_ROLE_WORKER "swarm-worker"
#define CA_REQUEST_MAX 1024U /* bytes of DER */

bool ca_role_is_valid(const char *role);

/* A new key and its self-signed certificate O=swarm_id, CN=swarm-ca. */
int ca_create(const char *swarm_id, int64_t now_seconds, struct secret *ret_key_der, char **ret_certificate_pem, struct error *e);

/* A new key for a node. */
int ca_node_key(struct secret *ret_key_der);

/* A certificate O=swarm_id, OU=role, CN=node_id for node_key, for both ends of a TLS connection; DNS names node_id and role. It ends with
 * the CA's own at the latest. -EKEYREJECTED when ca_key is not the key of ca_pem, -ETIME when the CA is not valid now. */
int ca_issue(const struct secret *ca_key, const char *ca_pem, const struct secret *node_key, const char *node_id, const char *role,
             const char *swarm_id, int64_t now_seconds, char **ret_certificate_pem, struct error *e);

/* A PKCS#10 request for a certificate, signed by node_key; it has an empty subject and asks for nothing. From malloc, at most
 * CA_REQUEST_MAX bytes. */
int ca_request(const struct secret *node_key, unsigned char **ret_der, size_t *ret_size);

/* As ca_issue, for the key of a request that came from anybody. Who it is, its role and the extensions come from the caller alone: what the
 * request asks for is ignored. -EBADMSG when it is not one PKCS#10 request in at most CA_REQUEST_MAX bytes, for a P-256 key on the named
 * curve with its point uncompressed, signed by that key with SHA-256 (and when the CA's key or certificate is damaged: see e). */
int ca_issue_request(const struct secret *ca_key, const char *ca_pem, const void *der, size_t size, const char *node_id, const char *role,
                     const char *swarm_id, int64_t now_seconds, char **ret_certificate_pem, struct error *e);

/* The cross certificate: subject and key of the new root, signed by the old one. Whoever trusts the old root alone verifies the chain node
 * certificate, cross certificate; it must come before the new root wherever both are sent, as OpenSSL takes the first issuer that fits.
 * It ends with either root at the latest. Both roots have the same subject, so it is self-issued and the old root's pathlen:0 allows it
 * (RFC 5280 4.2.1.9). -EBADMSG when new_pem is not a root of the old one's swarm, -EINVAL when both have the same key, -EKEYREJECTED
 * when old_key is not the key of old_pem, -ETIME when either is not valid now. */
int ca_cross_sign(const struct secret *old_key, const char *old_pem, const char *new_pem, int64_t now_seconds,
                  char **ret_certificate_pem, struct error *e);

/* SHA-256 of the root's PEM as certificate_to_pem writes it: what join tokens have (join_token_ca_digest). */
int ca_digest_of(const X509 *root, unsigned char ret[static 32]);

/* Whether certificate_pem is this node's, from this CA, for this key, and valid now. -EBADMSG not from this CA, not for node_id, or not for
 * TLS; -EKEYREJECTED not for node_key; -ETIME all is right but the time. */
int ca_check(const char *ca_pem, const char *certificate_pem, const struct secret *node_key, const char *node_id, int64_t now_seconds,
             struct error *e);
