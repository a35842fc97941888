/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/evp.h>

#include "basic/cleanup.h"
#include "basic/secret.h"

/* P-256 key pairs, stored as PKCS#8 DER (RFC 5958 with RFC 5915): for this curve one template of PKEY_DER_SIZE bytes. We read and write it
 * ourselves, as OpenSSL 3.5's encoders and decoders leave copies of the private key behind in freed memory. Whoever needs the key, for
 * TLS as well, should come through here. */

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

#define PKEY_DER_SIZE 138

int pkey_new(EVP_PKEY **ret);
int pkey_to_der(const EVP_PKEY *key, struct secret *ret_der);

/* -EBADMSG when der is anything but one P-256 key pair whose halves belong together. */
int pkey_from_der(const struct secret *der, EVP_PKEY **ret);
