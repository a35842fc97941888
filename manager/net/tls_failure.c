/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/tls_failure.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#define REFUSES "it refuses this node's certificate: "

/* A fatal alert that the peer sent. */
static const struct {
    int alert, result;
    const char *text;
} alerts[] = {
    { SSL3_AD_BAD_CERTIFICATE, -EKEYREJECTED, REFUSES "it wants another node's" },
    { SSL3_AD_UNSUPPORTED_CERTIFICATE, -EKEYREJECTED, REFUSES "it is not for this" },
    { SSL3_AD_CERTIFICATE_REVOKED, -EKEYREJECTED, REFUSES "this node may not come in, it may have been removed" },
    { SSL3_AD_CERTIFICATE_EXPIRED, -EKEYREJECTED, REFUSES "it has expired, or the clocks differ" },
    { SSL3_AD_CERTIFICATE_UNKNOWN, -EKEYREJECTED, REFUSES "it is not good" },
    { TLS1_AD_UNKNOWN_CA, -EKEYREJECTED, REFUSES "it is not of its swarm" },
    { TLS1_AD_ACCESS_DENIED, -EKEYREJECTED, REFUSES "this node may not come in" },
    { TLS1_AD_DECRYPT_ERROR, -EKEYREJECTED, REFUSES "its signature is not good" },
    { TLS13_AD_CERTIFICATE_REQUIRED, -EKEYREJECTED, "it wants a certificate" },
    { TLS1_AD_NO_APPLICATION_PROTOCOL, -EPROTO, "it does not speak this protocol" },
    { TLS1_AD_PROTOCOL_VERSION, -EPROTO, "it does not speak TLS 1.3" },
};

/* What OpenSSL says of a peer that is something else than TLS 1.3 as we speak it. */
static const struct {
    int reason;
    const char *text;
} reasons[] = {
    { SSL_R_WRONG_VERSION_NUMBER, "it does not speak TLS" },
    { SSL_R_HTTP_REQUEST, "it does not speak TLS but HTTP" },
    { SSL_R_HTTPS_PROXY_REQUEST, "it does not speak TLS but HTTP" },
    { SSL_R_PACKET_LENGTH_TOO_LONG, "it does not speak TLS" },
    { SSL_R_RECORD_LENGTH_MISMATCH, "it does not speak TLS" },
    { SSL_R_BAD_RECORD_TYPE, "it does not speak TLS" },
    { SSL_R_UNSUPPORTED_PROTOCOL, "it does not speak TLS 1.3" },
    { SSL_R_VERSION_TOO_LOW, "it does not speak TLS 1.3" },
    { SSL_R_NO_SHARED_CIPHER, "it has no cipher in common with this node" },
    { SSL_R_NO_SUITABLE_KEY_SHARE, "it has no key exchange in common with this node" },
    { SSL_R_NO_APPLICATION_PROTOCOL, "it asks for a protocol that is not known here" },
    { SSL_R_CALLBACK_FAILED, "it asks for no protocol" }, /* alpn.c's on_hello */
};

static int set(struct tls *t, int result, const char *text)
{
    (void) snprintf(t->why, sizeof(t->why), "%s", text);
    return result;
}

static int of_alert(struct tls *t, int alert)
{
    for (size_t i = 0; i < ELEMENTSOF(alerts); i++)
        if (alerts[i].alert == alert)
            return set(t, alerts[i].result, alerts[i].text);
    (void) snprintf(t->why, sizeof(t->why), "it ends the connection by TLS alert %d (%s)", alert, SSL_alert_desc_string_long(alert));
    return -EPROTO;
}

int tls_failure(struct tls *t, unsigned long code)
{
    int reason = ERR_GET_REASON(code);

    if (t->refused)
        return -EKEYREJECTED;
    if (reason == ERR_R_MALLOC_FAILURE)
        return set(t, -ENOMEM, "out of memory");
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
        return of_alert(t, reason - SSL_AD_REASON_OFFSET);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return set(t, -EKEYREJECTED, "it has no certificate");
    for (size_t i = 0; ERR_GET_LIB(code) == ERR_LIB_SSL && i < ELEMENTSOF(reasons); i++)
        if (reasons[i].reason == reason)
            return set(t, -EPROTO, reasons[i].text);
    (void) snprintf(t->why, sizeof(t->why), "it breaks TLS' rules (%s)", code ? ERR_reason_error_string(code) : "unexpected end");
    return -EPROTO;
}
