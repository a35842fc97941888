/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/verify.h"

#include <openssl/x509v3.h>
#include <stdarg.h>
#include <string.h>

#include "net/identity_private.h"
#include "net/tls_private.h"
#include "pki/ca.h"

typedef STACK_OF(X509) list;

/* The certificates in it are borrowed. */
DEFINE_CLEANUP(list *, sk_X509_free)

/* code: by which OpenSSL chooses the alert. Returns 0: not verified. */
static int refuse(struct tls *t, X509_STORE_CTX *context, int code, const char *format, ...) _printf_(4, 5);

static int refuse(struct tls *t, X509_STORE_CTX *context, int code, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    (void) vsnprintf(t->why, sizeof(t->why), format, ap);
    va_end(ap);
    t->refused = true;
    X509_STORE_CTX_set_error(context, code);
    return 0;
}

static int refuse_chain(struct tls *t, X509_STORE_CTX *context)
{
    int code = X509_STORE_CTX_get_error(context);
    bool own = X509_STORE_CTX_get_error_depth(context) == 0;

    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return refuse(t, context, code, own ? "its certificate has expired" : "the certificate of its swarm's CA has expired");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return refuse(t, context, code, "its certificate is not valid yet: check the clocks");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return refuse(t, context, code, "it is not of this swarm: its certificate is from another CA");
    case X509_V_ERR_OUT_OF_MEM:
        return refuse(t, context, code, "out of memory");
    default:
        return refuse(t, context, code, "its certificate is not good: %s", X509_verify_cert_error_string(code));
    }
}

/* The certificate that a pinned identity means, among those that the peer sent; NULL. */
static X509 *find_root(const struct identity *i, X509_STORE_CTX *context)
{
    const STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(context);
    unsigned char digest[32];

    for (int n = 0; n < sk_X509_num(sent); n++) {
        X509 *c = sk_X509_value(sent, n);

        if (ca_digest_of(c, digest) == 0 && memcmp(digest, i->root_digest, sizeof(digest)) == 0)
            return X509_check_ca(c) == 1 && X509_self_signed(c, 1) == 1 ? c : NULL;
    }
    return NULL;
}

static int verify_pinned(struct tls *t, X509_STORE_CTX *context, X509 **ret_root)
{
    _cleanup_(sk_X509_freep) list *trusted = sk_X509_new_null();
    X509 *root = find_root(t->identity, context);
    int verified;

    if (!root)
        return refuse(t, context, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "it is not of the swarm that is meant: it has another CA");
    if (!trusted || sk_X509_push(trusted, root) <= 0)
        return refuse(t, context, X509_V_ERR_OUT_OF_MEM, "out of memory");
    X509_STORE_CTX_set0_trusted_stack(context, trusted);
    verified = X509_verify_cert(context);
    X509_STORE_CTX_set0_trusted_stack(context, NULL);
    *ret_root = root;
    return verified == 1 ? 1 : refuse_chain(t, context);
}

static int verify_chain(struct tls *t, X509_STORE_CTX *context, X509 **ret_root)
{
    if (t->identity->pinned)
        return verify_pinned(t, context, ret_root);
    return X509_verify_cert(context) == 1 ? 1 : refuse_chain(t, context);
}

/* root: of a pinned identity, which knows no swarm but that. */
static bool same_swarm(const struct identity *i, X509 *root, const char *swarm_id)
{
    return i->pinned ? certificate_subject_is(root, NID_organizationName, swarm_id) : strcmp(i->own.swarm_id, swarm_id) == 0;
}

static int check_subject(struct tls *t, X509_STORE_CTX *context, X509 *root)
{
    struct certificate_info info;

    if (certificate_info(X509_STORE_CTX_get0_cert(context), &info) < 0)
        return refuse(t, context, X509_V_ERR_CERT_REJECTED, "its certificate is not that of a swarm's node");
    if (!same_swarm(t->identity, root, info.swarm_id))
        return refuse(t, context, X509_V_ERR_CERT_UNTRUSTED, "it is not of this swarm, but of swarm %s", info.swarm_id);
    if (t->config.node_id && strcmp(t->config.node_id, info.node_id) != 0)
        return refuse(t, context, X509_V_ERR_CERT_REJECTED, "it is node %s, not node %s", info.node_id, t->config.node_id);
    t->peer.has_certificate = true;
    memcpy(t->peer.node_id, info.node_id, sizeof(info.node_id));
    memcpy(t->peer.swarm_id, info.swarm_id, sizeof(info.swarm_id));
    memcpy(t->peer.role, info.role, sizeof(info.role));
    memcpy(t->peer.digest, info.digest, sizeof(info.digest));
    return 1;
}

int verify_peer(X509_STORE_CTX *context, _unused_ void *data)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);
    X509 *root = NULL;

    if (verify_chain(t, context, &root) != 1 || check_subject(t, context, root) != 1)
        return 0;
    if (t->config.allows && !t->config.allows(t->config.data, &t->peer, t->protocol))
        return refuse(t, context, X509_V_ERR_CERT_REVOKED, "node %s may not come in by %s", t->peer.node_id, t->protocol);
    return 1;
}
