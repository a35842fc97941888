/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/tang.h"

#include <errno.h>
#include <jose/jwk.h>
#include <string.h>

#include "unlock/jwe.h"
#include "unlock/jwks.h"

static const char *curve_of(const json_t *jwk)
{
    const char *curve = json_string_value(json_object_get(jwk, "crv"));

    return curve ? curve : "";
}

int tang_encrypt(const char *url, const json_t *adv, const void *plaintext, size_t size, json_t **ret_parts, struct error *e)
{
    const json_t *exchange = jwks_exchange_key(adv);
    json_auto_t *key = exchange ? jwk_point(exchange, curve_of(exchange)) : NULL;
    json_auto_t *kid = key ? jwk_thumbprint(key) : NULL, *header = NULL;
    int r = -EINVAL;

    if (!kid || json_object_del(key, "alg") < 0)
        return error_set(e, -EINVAL, "the advertisement of %s has no usable key for the exchange", url);
    header = json_pack("{s:s, s:O, s:{s:s, s:{s:s, s:O}}}", "alg", "ECDH-ES", "kid", kid, "clevis", "pin", "tang", "tang", "url", url,
                       "adv", adv);
    if (header)
        r = jwe_seal(header, key, plaintext, size, ret_parts);
    return r < 0 ? error_set(e, r, "cannot encrypt with the key that %s advertised", url) : 0;
}

int tang_ask(const json_t *epk, json_t **ret_ephemeral, char **ret_request)
{
    json_auto_t *client = jwk_point(epk, curve_of(epk)), *ephemeral = NULL, *sum = NULL;
    char *request;

    if (!client)
        return -EINVAL;
    ephemeral = json_pack("{s:s, s:s}", "alg", "ECMR", "crv", curve_of(epk));
    if (!ephemeral || !jose_jwk_gen(NULL, ephemeral))
        return -EINVAL;
    sum = jose_jwk_exc(NULL, client, ephemeral); /* without a private key on the left: C + E */
    if (!sum)
        return -EINVAL;
    if (json_object_set_new(sum, "alg", json_string("ECMR")) < 0)
        return -ENOMEM;
    request = json_dumps(sum, JSON_COMPACT);
    if (!request)
        return -ENOMEM;
    *ret_ephemeral = json_incref(ephemeral);
    *ret_request = request;
    return 0;
}

int tang_recover(const json_t *server, const json_t *ephemeral, const void *answer, size_t size, json_t **ret_key)
{
    json_auto_t *reply = json_loadb(answer, size, 0, NULL);
    json_auto_t *sum = reply ? jwk_point(reply, curve_of(ephemeral)) : NULL;
    json_auto_t *theirs = jwk_point(server, curve_of(ephemeral)), *blind = NULL;
    json_t *key;

    if (!theirs)
        return -EINVAL;
    if (!sum)
        return -EHOSTUNREACH;
    blind = jose_jwk_exc(NULL, ephemeral, theirs); /* eS */
    if (!blind)
        return -EINVAL;
    if (json_object_set_new(blind, "alg", json_string("ECMR")) < 0)
        return -ENOMEM;
    key = jose_jwk_exc(NULL, sum, blind); /* with no private key on either side: s(C + E) - eS */
    if (!key)
        return -EHOSTUNREACH;
    *ret_key = key;
    return 0;
}
