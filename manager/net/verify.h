/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/ssl.h>

/* Verifies the peer's certificate and fills in who it is; for SSL_CTX_set_cert_verify_callback. */
int verify_peer(X509_STORE_CTX *context, void *data);
