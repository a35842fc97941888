/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/context.h"

#include <errno.h>

#include "basic/cleanup.h"
#include "net/alpn.h"
#include "net/verify.h"

#define GROUPS "X25519MLKEM768:X25519:P-256"
#define SIGNATURES "ecdsa_secp256r1_sha256"
#define SECURITY_LEVEL 3                  /* 128 bits: what P-256 and SHA-256 have */
#define CERTIFICATES_MAX (16 * 1024)      /* bytes of a peer's chain */
#define DEPTH_MAX 3

#define OPTIONS                                                                                                                    \
    (SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION |                   \
     SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT)

DEFINE_CLEANUP(SSL_CTX *, SSL_CTX_free)

static int restrict_protocol(SSL_CTX *c)
{
    SSL_CTX_set_security_level(c, SECURITY_LEVEL);
    if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 || SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(c, GROUPS) != 1 || SSL_CTX_set1_sigalgs_list(c, SIGNATURES) != 1 ||
        SSL_CTX_set1_client_sigalgs_list(c, SIGNATURES) != 1)
        return -EIO;
    (void) SSL_CTX_set_options(c, OPTIONS);
    (void) SSL_CTX_set_mode(c, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
    (void) SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_num_tickets(c, 0) != 1 || SSL_CTX_set_max_early_data(c, 0) != 1 || SSL_CTX_set_recv_max_early_data(c, 0) != 1)
        return -EIO;
    return 0;
}

static void restrict_peer(SSL_CTX *c)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(c);

    (void) X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    SSL_CTX_set_verify_depth(c, DEPTH_MAX);
    SSL_CTX_set_max_cert_list(c, CERTIFICATES_MAX);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(c, verify_peer, NULL);
}

int context_new(SSL_CTX **ret)
{
    _cleanup_(SSL_CTX_freep) SSL_CTX *c = SSL_CTX_new(TLS_method());
    int r;

    if (!c)
        return -ENOMEM;
    r = restrict_protocol(c);
    if (r < 0)
        return r;
    restrict_peer(c);
    alpn_install(c);
    *ret = TAKE_PTR(c);
    return 0;
}
