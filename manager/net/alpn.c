/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/alpn.h"

#include <errno.h>
#include <string.h>

#include "net/tls_private.h"

static int on_hello(SSL *ssl, int *alert, _unused_ void *data)
{
    const unsigned char *offer;
    size_t size;

    /* OpenSSL does not ask on_select when the client names no protocol. */
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &offer, &size) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = TLS1_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

/* list: names, each after a byte with its length; OpenSSL has checked that they fill it. */
static int on_select(SSL *ssl, const unsigned char **ret, unsigned char *ret_size, const unsigned char *list, unsigned size,
                     _unused_ void *data)
{
    struct tls *t = SSL_get_app_data(ssl);

    for (unsigned at = 0; at < size; at += 1U + list[at]) {
        bool needs_certificate;

        if (!t->config.choose(t->config.data, (const char *) list + at + 1, list[at], &needs_certificate))
            continue;
        if (needs_certificate)
            SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        memcpy(t->protocol, list + at + 1, list[at]);
        t->protocol[list[at]] = '\0';
        *ret = list + at + 1;
        *ret_size = list[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void alpn_install(SSL_CTX *c)
{
    SSL_CTX_set_client_hello_cb(c, on_hello, NULL);
    SSL_CTX_set_alpn_select_cb(c, on_select, NULL);
}

int alpn_offer(SSL *ssl, const char *protocol)
{
    unsigned char list[TLS_PROTOCOL_MAX];
    size_t n = strlen(protocol);

    if (n == 0 || n >= sizeof(list))
        return -EINVAL;
    list[0] = (unsigned char) n;
    memcpy(list + 1, protocol, n);
    return SSL_set_alpn_protos(ssl, list, (unsigned) n + 1) == 0 ? 0 : -ENOMEM;
}

bool alpn_agreed(const SSL *ssl, const char *protocol)
{
    const unsigned char *name;
    unsigned size;

    SSL_get0_alpn_selected(ssl, &name, &size);
    return size == strlen(protocol) && memcmp(name, protocol, size) == 0;
}
