/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>

/* The public key of a request that holds what ca_issue_request wants of it. Inside pki. -EBADMSG, -ENOMEM. */
int ca_request_key(const void *der, size_t size, EVP_PKEY **ret);
