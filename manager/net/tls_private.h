/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/ssl.h>

#include "net/tls.h"

/* The SSL's app data. */
struct tls {
    struct identity *identity;
    struct tls_config config;
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    struct net_peer peer;
    char protocol[TLS_PROTOCOL_MAX];
    char why[TLS_WHY_MAX];
    bool refused; /* by verify_peer, which has set why */
    bool failed;
};
