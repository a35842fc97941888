/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/evp.h>

#include "basic/cleanup.h"
#include "basic/secret.h"

/* P-256 key pairs, stored as PKCS#8 DER. */

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

#define PKEY_DER_MAX 4096

int pkey_new(EVP_PKEY **ret);
int pkey_to_der(const EVP_PKEY *key, struct secret *ret_der);

/* -EBADMSG when der is anything but one P-256 key pair whose halves belong together. */
int pkey_from_der(const struct secret *der, EVP_PKEY **ret);
