/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

/* The protocols' names, RFC 7301. */

/* The server's side: takes the first of the client's protocols that tls_config.choose knows; none, or a client that names none, is answered
 * by the alert no_application_protocol. */
void alpn_install(SSL_CTX *c);

/* The client's side: offers this one. -EINVAL, -ENOMEM. */
int alpn_offer(SSL *ssl, const char *protocol);

/* Whether this was agreed upon. */
bool alpn_agreed(const SSL *ssl, const char *protocol);
