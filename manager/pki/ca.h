/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

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

/* A new key and its self-signed certificate O=swarm_id, CN=swarm-ca. */
int ca_create(const char *swarm_id, int64_t now_seconds, struct secret *ret_key_der, char **ret_certificate_pem, struct error *e);

/* A new key for a node. */
int ca_node_key(struct secret *ret_key_der);

/* A certificate O=swarm_id, OU=role, CN=node_id for node_key, for both ends of a TLS connection; DNS names node_id and role. It ends with
 * the CA's own at the latest. -EKEYREJECTED when ca_key is not the key of ca_pem, -ETIME when the CA is not valid now. */
int ca_issue(const struct secret *ca_key, const char *ca_pem, const struct secret *node_key, const char *node_id, const char *role,
             const char *swarm_id, int64_t now_seconds, char **ret_certificate_pem, struct error *e);

/* Whether certificate_pem is this node's, from this CA, for this key, and valid now. -EBADMSG not from this CA, not for node_id, or not for
 * TLS; -EKEYREJECTED not for node_key; -ETIME all is right but the time. */
int ca_check(const char *ca_pem, const char *certificate_pem, const struct secret *node_key, const char *node_id, int64_t now_seconds,
             struct error *e);
