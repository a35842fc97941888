/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/ssl.h>

#include "net/identity.h"
#include "pki/certificate.h"

struct identity {
    unsigned refs;
    bool pinned;
    unsigned char root_digest[32]; /* pinned */
    struct certificate_info own;   /* not pinned */
    SSL_CTX *context;              /* holds the key, the chain and the roots; for both ends */
};
