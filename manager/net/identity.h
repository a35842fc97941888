/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "pki/id.h"

/* Who this end of a connection is and whom it trusts. Reference counted and immutable: a renewed certificate is a new identity, connections
 * that are up keep the one they began with. Not for several threads at once. */

#define IDENTITY_ROOTS_MAX 4
#define IDENTITY_CHAIN_MAX 4

struct identity;

/* A node of a swarm: its key (PKCS#8 DER, pki/pkey.h), the certificates it sends, its own first, and the roots that it trusts, both as PEM
 * texts of 1 to the maxima above. The chain is sent as it is, in that order: whoever joins looks for the root in it, so it has to end with
 * the root (own certificate, cross certificate while there is one, root). The key is read into OpenSSL's form, no other copy is kept.
 * -EBADMSG a text or the key is damaged or of another form, -EKEYREJECTED the key is not the certificate's, -ENOMEM, -EIO. Whether the
 * certificate has expired is for the peers to judge. */
int identity_new(const struct secret *key_der, const char *chain_pem, const char *roots_pem, struct identity **ret, struct error *e);

/* A client without certificate that trusts one root only: the one whose PEM text (ca_digest_of) has this digest. The server has to send it;
 * it must be a self-signed CA, and the server's chain is verified against it alone. For clients only. -ENOMEM, -EIO. */
int identity_new_pinned(const unsigned char root_digest[static 32], struct identity **ret, struct error *e);

struct identity *identity_ref(struct identity *i);
/* NULL is allowed; always NULL. The key is erased with the last reference: those of connections count. */
struct identity *identity_unref(struct identity *i);

DEFINE_CLEANUP(struct identity *, identity_unref)

/* Who is at the other end, as its verified certificate says. */
struct net_peer {
    bool has_certificate; /* else only address is set */
    char node_id[ID_LEN + 1], swarm_id[ID_LEN + 1], role[16];
    unsigned char digest[32]; /* SHA-256 of the certificate's DER */
    char address[80];         /* numeric "host:port", IPv6 in brackets; IPv4 also where it came in by an IPv6 socket */
};
