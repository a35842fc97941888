/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/pkey.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#define GROUP "prime256v1"

DEFINE_CLEANUP(PKCS8_PRIV_KEY_INFO *, PKCS8_PRIV_KEY_INFO_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

int pkey_new(EVP_PKEY **ret)
{
    EVP_PKEY *key = EVP_EC_gen(GROUP);

    if (!key)
        return -EIO;
    *ret = key;
    return 0;
}

int pkey_to_der(const EVP_PKEY *key, struct secret *ret_der)
{
    _cleanup_(PKCS8_PRIV_KEY_INFO_freep) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    _cleanup_(secret_done) struct secret der = SECRET_NULL;
    unsigned char *at;
    int size, r;

    if (!info)
        return -EIO;
    size = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
    if (size <= 0)
        return -EIO;
    r = secret_new((size_t) size, &der);
    if (r < 0)
        return r;
    at = der.data;
    if (i2d_PKCS8_PRIV_KEY_INFO(info, &at) != size)
        return -EIO;
    *ret_der = secret_take(&der);
    return 0;
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32];
    size_t n;

    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), &n) && strcmp(group, GROUP) == 0;
}

int pkey_from_der(const struct secret *der, EVP_PKEY **ret)
{
    _cleanup_(PKCS8_PRIV_KEY_INFO_freep) PKCS8_PRIV_KEY_INFO *info = NULL;
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    const unsigned char *at = der->data;

    if (der->size == 0 || der->size > PKEY_DER_MAX)
        return -EBADMSG;
    info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long) der->size);
    if (!info || at != der->data + der->size)
        return -EBADMSG;
    key = EVP_PKCS82PKEY(info);
    if (!key || !is_p256(key))
        return -EBADMSG;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (!context)
        return -ENOMEM;
    if (EVP_PKEY_pairwise_check(context) != 1)
        return -EBADMSG;
    *ret = TAKE_PTR(key);
    return 0;
}
