/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/ca_request.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/pkey.h"

/* SubjectPublicKeyInfo { { ecPublicKey, prime256v1 }, bit string of 04, X, Y */
static const unsigned char before_point[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
};

DEFINE_CLEANUP(X509_REQ *, X509_REQ_free)

static int encode(const struct secret *node_key, unsigned char **ret_der, size_t *ret_size)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(X509_REQ_freep) X509_REQ *request = X509_REQ_new();
    _cleanup_free_ unsigned char *der = malloc(CA_REQUEST_MAX);
    int r, size;

    if (!request || !der)
        return -ENOMEM;
    r = pkey_from_der(node_key, &key);
    if (r < 0)
        return r;
    if (X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(request, key) != 1 ||
        X509_REQ_sign(request, key, EVP_sha256()) <= 0)
        return -EIO;
    size = i2d_X509_REQ(request, NULL);
    if (size <= 0 || size > (int) CA_REQUEST_MAX || i2d_X509_REQ(request, &(unsigned char *) { der }) != size)
        return -EIO;
    *ret_der = TAKE_PTR(der);
    *ret_size = (size_t) size;
    return 0;
}

int ca_request(const struct secret *node_key, unsigned char **ret_der, size_t *ret_size)
{
    int r;

    (void) ERR_set_mark();
    r = encode(node_key, ret_der, ret_size);
    (void) ERR_pop_to_mark();
    return r;
}

/* Goes into, or over, the next element when it has that tag and ends by end. */
static bool step(const unsigned char **at, const unsigned char *end, int expected, bool over)
{
    int tag, class;
    long n;

    if ((ASN1_get_object(at, &n, &tag, &class, end - *at) & ~V_ASN1_CONSTRUCTED) != 0 || class != V_ASN1_UNIVERSAL || tag != expected)
        return false;
    *at += over ? n : 0;
    return true;
}

/* Whether the key is of the one kind that we take. OpenSSL decodes whatever key it finds while it parses: curves of the sender's own making
 * among them, so it gets to see none but these. */
static bool has_p256_key(const unsigned char *der, size_t size)
{
    const unsigned char *at = der, *end = der + size;

    return step(&at, end, V_ASN1_SEQUENCE, false) &&  /* request */
           step(&at, end, V_ASN1_SEQUENCE, false) &&  /* what is signed */
           step(&at, end, V_ASN1_INTEGER, true) &&    /* version */
           step(&at, end, V_ASN1_SEQUENCE, true) &&   /* subject */
           (size_t) (end - at) > sizeof(before_point) && memcmp(at, before_point, sizeof(before_point)) == 0;
}

int ca_request_key(const void *der, size_t size, EVP_PKEY **ret)
{
    _cleanup_(X509_REQ_freep) X509_REQ *request = NULL;
    const unsigned char *at = der;
    EVP_PKEY *key;

    if (size == 0 || size > CA_REQUEST_MAX || !has_p256_key(der, size))
        return -EBADMSG;
    request = d2i_X509_REQ(NULL, &at, (long) size);
    if (!request || at != (const unsigned char *) der + size)
        return -EBADMSG;
    key = X509_REQ_get0_pubkey(request);
    if (!key || X509_REQ_get_signature_nid(request) != NID_ecdsa_with_SHA256 || X509_REQ_verify(request, key) != 1)
        return -EBADMSG;
    if (EVP_PKEY_up_ref(key) != 1)
        return -EIO;
    *ret = key;
    return 0;
}
