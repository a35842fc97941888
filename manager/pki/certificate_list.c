/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "pki/certificate.h"

#define BEGIN "-----BEGIN CERTIFICATE-----\n"

typedef STACK_OF(X509) list;

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(list *, certificate_list_free)

struct block {
    char *name, *header;
    unsigned char *data;
    long size;
};

static void block_done(struct block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_free(b->data);
}

void certificate_list_free(STACK_OF(X509) *list)
{
    sk_X509_pop_free(list, X509_free);
}

/* PEM_read_bio_X509 would skip what comes before, take less than the whole block, and ask for a password on the terminal when the text says
 * that the block is encrypted. */
static int read_one(BIO *bio, X509 **ret)
{
    _cleanup_(block_done) struct block b = {};
    _cleanup_(X509_freep) X509 *certificate = NULL;
    const unsigned char *at;

    if (PEM_read_bio(bio, &b.name, &b.header, &b.data, &b.size) != 1 || b.header[0] != '\0')
        return -EBADMSG;
    at = b.data;
    certificate = d2i_X509(NULL, &at, b.size);
    if (!certificate || at != b.data + b.size)
        return -EBADMSG;
    *ret = TAKE_PTR(certificate);
    return 0;
}

static int read_all(const char *pem, unsigned max, STACK_OF(X509) **ret)
{
    _cleanup_(certificate_list_freep) list *found = sk_X509_new_null();
    _cleanup_(BIO_free_allp) BIO *bio = NULL;
    size_t size = strnlen(pem, CERTIFICATE_PEM_MAX + 1), at = 0;

    if (size == 0 || size > CERTIFICATE_PEM_MAX)
        return -EBADMSG;
    bio = BIO_new_mem_buf(pem, (int) size);
    if (!found || !bio)
        return -ENOMEM;
    for (; at < size; at = size - BIO_pending(bio)) {
        _cleanup_(X509_freep) X509 *certificate = NULL;
        int r;

        if ((unsigned) sk_X509_num(found) >= max || strncmp(pem + at, BEGIN, sizeof(BEGIN) - 1) != 0)
            return -EBADMSG;
        r = read_one(bio, &certificate);
        if (r < 0)
            return r;
        if (sk_X509_push(found, certificate) <= 0)
            return -ENOMEM;
        certificate = NULL;
    }
    *ret = TAKE_PTR(found);
    return 0;
}

int certificate_list_from_pem(const char *pem, unsigned max, STACK_OF(X509) **ret)
{
    int r;

    (void) ERR_set_mark();
    r = read_all(pem, max, ret);
    (void) ERR_pop_to_mark();
    return r;
}

int certificate_from_pem(const char *pem, X509 **ret)
{
    _cleanup_(certificate_list_freep) list *one = NULL;
    int r;

    r = certificate_list_from_pem(pem, 1, &one);
    if (r == 0)
        *ret = sk_X509_shift(one);
    return r;
}
