/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/tls_private.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <string.h>

#include "net/alpn.h"
#include "net/identity_private.h"
#include "net/tls_failure.h"

#define BIO_KEEP (4U * 1024) /* an empty buffer that has grown larger is not kept */

DEFINE_CLEANUP(struct tls *, tls_free)

static BIO *buffer_new(void)
{
    BIO *b = BIO_new(BIO_s_mem());

    if (b)
        (void) BIO_set_mem_eof_return(b, -1); /* empty is "try again" */
    return b;
}

/* OpenSSL's buffers do not shrink. */
static void shrink(struct tls *t, BIO **buffer, void (*set)(SSL *ssl, BIO *b))
{
    BUF_MEM *memory;
    BIO *b;

    if (BIO_ctrl_pending(*buffer) > 0 || BIO_get_mem_ptr(*buffer, &memory) != 1 || memory->max <= BIO_KEEP)
        return;
    b = buffer_new();
    if (!b)
        return;
    set(t->ssl, b); /* frees the old one */
    *buffer = b;
}

static int attach(struct tls *t)
{
    BIO *in = buffer_new(), *out = buffer_new();

    t->ssl = SSL_new(t->identity->context);
    if (!in || !out || !t->ssl) {
        (void) BIO_free(in);
        (void) BIO_free(out);
        return -ENOMEM;
    }
    SSL_set0_rbio(t->ssl, in);
    SSL_set0_wbio(t->ssl, out);
    t->in = in;
    t->out = out;
    (void) SSL_set_app_data(t->ssl, t);
    return 0;
}

static int set_up(struct tls *t)
{
    int r = attach(t);

    if (r < 0)
        return r;
    if (!t->config.protocol) {
        SSL_set_accept_state(t->ssl);
        return 0;
    }
    SSL_set_connect_state(t->ssl);
    r = alpn_offer(t->ssl, t->config.protocol);
    if (r == 0)
        (void) strcpy(t->protocol, t->config.protocol);
    return r;
}

int tls_new(struct identity *i, const struct tls_config *config, const char *address, struct tls **ret)
{
    _cleanup_(tls_freep) struct tls *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return -ENOMEM;
    t->identity = identity_ref(i);
    t->config = *config;
    (void) snprintf(t->peer.address, sizeof(t->peer.address), "%s", address);
    r = set_up(t);
    ERR_clear_error();
    if (r == 0)
        *ret = TAKE_PTR(t);
    return r;
}

struct tls *tls_free(struct tls *t)
{
    if (t) {
        SSL_free(t->ssl);
        (void) identity_unref(t->identity);
        free(t);
    }
    return NULL;
}

int tls_feed(struct tls *t, const void *bytes, size_t size)
{
    int n = BIO_write(t->in, bytes, (int) size);

    ERR_clear_error();
    return n == (int) size ? 0 : -ENOMEM;
}

/* 0 when it is none: the peer has to send more. */
static int judge(struct tls *t, int outcome)
{
    int error = SSL_get_error(t->ssl, outcome), r = 0;

    if (error == SSL_ERROR_ZERO_RETURN) {
        (void) snprintf(t->why, sizeof(t->why), "it has closed the connection");
        r = -ECONNRESET;
    } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        t->failed = true;
        r = tls_failure(t, ERR_peek_error());
    }
    ERR_clear_error();
    return r;
}

int tls_handshake(struct tls *t)
{
    int n;

    ERR_clear_error();
    n = SSL_do_handshake(t->ssl);
    if (n != 1)
        return judge(t, n);
    if (alpn_agreed(t->ssl, t->protocol))
        return 1;
    (void) snprintf(t->why, sizeof(t->why), "it does not speak %s", t->protocol);
    return -EPROTO;
}

int tls_read(struct tls *t, void *ret, size_t size)
{
    int n;

    ERR_clear_error();
    n = SSL_read(t->ssl, ret, size < INT_MAX ? (int) size : INT_MAX);
    if (n > 0)
        return n;
    n = judge(t, n);
    if (n == 0)
        shrink(t, &t->in, SSL_set0_rbio);
    return n;
}

int tls_write(struct tls *t, const void *bytes, size_t size)
{
    size_t written;
    int n, r;

    if (size == 0)
        return 0;
    ERR_clear_error();
    n = SSL_write_ex(t->ssl, bytes, size, &written);
    if (n == 1 && written == size)
        return 0;
    r = judge(t, n);
    t->failed = true;
    return r < 0 ? r : -ENOMEM; /* a buffer never asks to wait */
}

void tls_close(struct tls *t)
{
    ERR_clear_error();
    if (!t->failed && SSL_is_init_finished(t->ssl))
        (void) SSL_shutdown(t->ssl);
    ERR_clear_error();
}

size_t tls_pending(const struct tls *t)
{
    return BIO_ctrl_pending(t->out);
}

size_t tls_take(struct tls *t, void *ret, size_t size)
{
    int n = BIO_read(t->out, ret, size < INT_MAX ? (int) size : INT_MAX);

    shrink(t, &t->out, SSL_set0_wbio);
    ERR_clear_error();
    return n > 0 ? (size_t) n : 0;
}

const char *tls_why(const struct tls *t)
{
    return t->why;
}

const struct net_peer *tls_peer(const struct tls *t)
{
    return &t->peer;
}

const char *tls_protocol(const struct tls *t)
{
    return t->protocol;
}
