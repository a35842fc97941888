/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/ssl.h>

/* How TLS is spoken here, by either end: 1.3, three groups, ECDSA with P-256, no tickets, no resumption, no early data. The peer is always
 * asked for a certificate and always verified (net/verify.h). -ENOMEM, -EIO. */
int context_new(SSL_CTX **ret);
