/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/pkey.h"

#include <endian.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <string.h>

#define GROUP "prime256v1"
#define SCALAR_SIZE 32
#define POINT_SIZE 65 /* 04, X, Y */

/* PrivateKeyInfo { 0, { ecPublicKey, prime256v1 }, octets of ECPrivateKey { 1, octets of the scalar */
static const unsigned char before_scalar[] = {
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
};
/* [1] { bit string of the point */
static const unsigned char before_point[] = { 0xa1, 0x44, 0x03, 0x42, 0x00 };

#define SCALAR_AT sizeof(before_scalar)
#define MIDDLE_AT (SCALAR_AT + SCALAR_SIZE)
#define POINT_AT (MIDDLE_AT + sizeof(before_point))

_Static_assert(POINT_AT + POINT_SIZE == PKEY_DER_SIZE, "size of a P-256 key in PKCS#8");

DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

/* OpenSSL's parameters hold numbers in the machine's order of bytes, DER in big endian. */
static void copy_number(unsigned char *to, const unsigned char *from)
{
    for (size_t i = 0; i < SCALAR_SIZE; i++)
        to[i] = from[__BYTE_ORDER == __LITTLE_ENDIAN ? SCALAR_SIZE - 1 - i : i];
}

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
    _cleanup_(secret_done) struct secret der = SECRET_NULL, scalar = SECRET_NULL;
    char group[32] = "";
    OSSL_PARAM params[4];
    int r;

    r = secret_new(PKEY_DER_SIZE, &der);
    if (r == 0)
        r = secret_new(SCALAR_SIZE, &scalar);
    if (r < 0)
        return r;
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group));
    params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, scalar.data, SCALAR_SIZE);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, der.data + POINT_AT, POINT_SIZE);
    params[3] = OSSL_PARAM_construct_end();
    if (EVP_PKEY_get_params(key, params) != 1 || params[1].return_size != SCALAR_SIZE || params[2].return_size != POINT_SIZE ||
        der.data[POINT_AT] != POINT_CONVERSION_UNCOMPRESSED || strcmp(group, GROUP) != 0)
        return -EIO;
    memcpy(der.data, before_scalar, sizeof(before_scalar));
    copy_number(der.data + SCALAR_AT, scalar.data);
    memcpy(der.data + MIDDLE_AT, before_point, sizeof(before_point));
    *ret_der = secret_take(&der);
    return 0;
}

/* scalar: in the machine's order of bytes. */
static int import(const struct secret *der, const struct secret *scalar, EVP_PKEY **ret)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]) { GROUP }, 0),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, scalar->data, SCALAR_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, der->data + POINT_AT, POINT_SIZE),
        OSSL_PARAM_construct_end(),
    };
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL), *check = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;

    if (!context || EVP_PKEY_fromdata_init(context) != 1)
        return -ENOMEM;
    if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1)
        return -EBADMSG;
    check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (!check)
        return -ENOMEM;
    if (EVP_PKEY_pairwise_check(check) != 1)
        return -EBADMSG;
    *ret = TAKE_PTR(key);
    return 0;
}

int pkey_from_der(const struct secret *der, EVP_PKEY **ret)
{
    _cleanup_(secret_done) struct secret scalar = SECRET_NULL;
    int r;

    if (der->size != PKEY_DER_SIZE || memcmp(der->data, before_scalar, sizeof(before_scalar)) != 0 ||
        memcmp(der->data + MIDDLE_AT, before_point, sizeof(before_point)) != 0 ||
        der->data[POINT_AT] != POINT_CONVERSION_UNCOMPRESSED)
        return -EBADMSG;
    r = secret_new(SCALAR_SIZE, &scalar);
    if (r < 0)
        return r;
    copy_number(scalar.data, der->data + SCALAR_AT);
    return import(der, &scalar, ret);
}
