/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/identity_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "net/context.h"
#include "pki/pkey.h"

typedef STACK_OF(X509) list;

DEFINE_CLEANUP(list *, certificate_list_free)

static int make(bool pinned, struct identity **ret)
{
    _cleanup_(identity_unrefp) struct identity *i = calloc(1, sizeof(*i));
    int r;

    if (!i)
        return -ENOMEM;
    i->refs = 1;
    i->pinned = pinned;
    r = context_new(&i->context);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(i);
    return 0;
}

static int read_list(const char *pem, unsigned max, const char *what, STACK_OF(X509) **ret, struct error *e)
{
    int r = certificate_list_from_pem(pem, max, ret);

    return r < 0 ? error_set(e, r, "%s cannot be read: they must be 1 to %u certificates in PEM, and nothing else", what, max) : 0;
}

static int take_key(struct identity *i, X509 *own, const struct secret *key_der, struct error *e)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    int r = pkey_from_der(key_der, &key);

    if (r < 0)
        return error_set(e, r, "this node's TLS key is damaged; let the swarm issue a certificate for a new one");
    if (X509_check_private_key(own, key) != 1)
        return error_set(e, -EKEYREJECTED, "this node's certificate belongs to another TLS key; let the swarm issue a new one");
    if (SSL_CTX_use_certificate(i->context, own) != 1 || SSL_CTX_use_PrivateKey(i->context, key) != 1)
        return error_set(e, -EIO, "OpenSSL does not take this node's key and certificate");
    return 0;
}

static int fill(struct identity *i, const struct secret *key_der, STACK_OF(X509) *chain, STACK_OF(X509) *roots, struct error *e)
{
    _cleanup_(X509_freep) X509 *own = sk_X509_shift(chain); /* what stays is sent after it */
    int r = certificate_info(own, &i->own);

    if (r < 0)
        return error_set(e, r, "this node's certificate is not one of a swarm's node; let the swarm issue a new one");
    r = take_key(i, own, key_der, e);
    if (r < 0)
        return r;
    if (sk_X509_num(chain) > 0 && SSL_CTX_set1_chain(i->context, chain) != 1)
        return error_set(e, -EIO, "OpenSSL does not take this node's certificates");
    for (int n = 0; n < sk_X509_num(roots); n++)
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(i->context), sk_X509_value(roots, n)) != 1)
            return error_set(e, -ENOMEM, "out of memory");
    return 0;
}

static int new(const struct secret *key_der, const char *chain_pem, const char *roots_pem, struct identity **ret, struct error *e)
{
    _cleanup_(certificate_list_freep) list *chain = NULL, *roots = NULL;
    _cleanup_(identity_unrefp) struct identity *i = NULL;
    int r;

    r = read_list(chain_pem, IDENTITY_CHAIN_MAX, "this node's certificates", &chain, e);
    if (r == 0)
        r = read_list(roots_pem, IDENTITY_ROOTS_MAX, "the swarm's CA certificates", &roots, e);
    if (r < 0)
        return r;
    r = make(false, &i);
    if (r < 0)
        return error_set(e, r, "cannot set up TLS: %s", strerror(-r));
    r = fill(i, key_der, chain, roots, e);
    if (r == 0)
        *ret = TAKE_PTR(i);
    return r;
}

int identity_new(const struct secret *key_der, const char *chain_pem, const char *roots_pem, struct identity **ret, struct error *e)
{
    int r;

    (void) ERR_set_mark();
    r = new(key_der, chain_pem, roots_pem, ret, e);
    (void) ERR_pop_to_mark();
    return r;
}

int identity_new_pinned(const unsigned char root_digest[static 32], struct identity **ret, struct error *e)
{
    struct identity *i;
    int r;

    (void) ERR_set_mark();
    r = make(true, &i);
    (void) ERR_pop_to_mark();
    if (r < 0)
        return error_set(e, r, "cannot set up TLS: %s", strerror(-r));
    memcpy(i->root_digest, root_digest, sizeof(i->root_digest));
    *ret = i;
    return 0;
}

struct identity *identity_ref(struct identity *i)
{
    i->refs++;
    return i;
}

struct identity *identity_unref(struct identity *i)
{
    if (i && --i->refs == 0) {
        SSL_CTX_free(i->context);
        free(i);
    }
    return NULL;
}
