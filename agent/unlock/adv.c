/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/adv.h"

#include <errno.h>
#include <jose/b64.h>
#include <jose/jws.h>
#include <string.h>

#include "unlock/jwks.h"
#include "unlock/unlock_protocol.h"

/* A shared secret would prove nothing here. */
static bool is_public_key(const json_t *key)
{
    const char *type = json_string_value(json_object_get(key, "kty"));

    return type && (strcmp(type, "EC") == 0 || strcmp(type, "RSA") == 0);
}

bool adv_is_signed_by(const struct adv *a, const json_t *key)
{
    return is_public_key(key) && jose_jws_ver(NULL, a->jws, NULL, key, true);
}

static int check_signatures(const struct adv *a, struct error *e)
{
    const json_t *keys = json_object_get(a->keys, "keys");
    unsigned n = 0;

    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);

        if (!jwk_is_for(key, "verify"))
            continue;
        n++;
        if (!adv_is_signed_by(a, key))
            return error_set(e, -EHOSTUNREACH, "the advertisement lacks the signature of one of its signing keys");
    }
    if (n == 0)
        return error_set(e, -EHOSTUNREACH, "the advertisement has no signing key");
    return 0;
}

int adv_parse(const void *text, size_t size, struct adv *ret, struct error *e)
{
    _cleanup_(adv_done) struct adv a = ADV_NULL;
    const json_t *payload;
    int r;

    a.jws = json_loadb(text, size, 0, NULL);
    payload = json_object_get(a.jws, "payload");
    if (payload)
        a.keys = jose_b64_dec_load(payload);
    /* each signature is tried with each key: the number of both bounds the work */
    if (!jwks_valid(a.keys) || json_array_size(json_object_get(a.jws, "signatures")) > UNLOCK_KEYS_MAX + 1)
        return error_set(e, -EHOSTUNREACH, "the answer is no advertisement: is this a Tang server?");
    r = check_signatures(&a, e);
    if (r < 0)
        return r;
    if (!jwks_exchange_key(a.keys))
        return error_set(e, -EHOSTUNREACH, "the advertisement has no key for the exchange");
    *ret = a;
    a = ADV_NULL;
    return 0;
}

void adv_done(struct adv *a)
{
    json_decref(a->jws);
    json_decref(a->keys);
    *a = ADV_NULL;
}
