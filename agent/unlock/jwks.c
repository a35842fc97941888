/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/jwks.h"

#include <jose/jwk.h>
#include <string.h>

#include "basic/cleanup.h"
#include "unlock/unlock_protocol.h"

bool jwks_valid(const json_t *jwks)
{
    const json_t *keys = json_object_get(jwks, "keys");
    size_t n = json_array_size(keys);

    for (size_t i = 0; i < n; i++)
        if (!json_is_object(json_array_get(keys, i)))
            return false;
    return n >= 1 && n <= UNLOCK_KEYS_MAX;
}

bool jwk_is_for(const json_t *jwk, const char *operation)
{
    return jose_jwk_prm(NULL, jwk, true, operation);
}

json_t *jwk_thumbprint(const json_t *jwk)
{
    return jose_jwk_thp(NULL, jwk, "S256");
}

json_t *jwks_signing_thumbprints(const json_t *jwks)
{
    json_auto_t *all = json_array();
    const json_t *keys = json_object_get(jwks, "keys");

    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);

        if (jwk_is_for(key, "verify") && json_array_append_new(all, jwk_thumbprint(key)) < 0)
            return NULL;
    }
    return json_incref(all);
}

static bool has_thumbprint(const json_t *jwk, const char *thumbprint)
{
    static const char *const hashes[] = { "S256", "S1" };

    for (size_t i = 0; i < ELEMENTSOF(hashes); i++) {
        json_auto_t *own = jose_jwk_thp(NULL, jwk, hashes[i]);

        if (own && strcmp(json_string_value(own), thumbprint) == 0)
            return true;
    }
    return false;
}

const json_t *jwks_find(const json_t *jwks, const char *thumbprint)
{
    const json_t *keys = json_object_get(jwks, "keys");

    for (size_t i = 0; i < json_array_size(keys); i++)
        if (has_thumbprint(json_array_get(keys, i), thumbprint))
            return json_array_get(keys, i);
    return NULL;
}

const json_t *jwks_exchange_key(const json_t *jwks)
{
    const json_t *keys = json_object_get(jwks, "keys");

    for (size_t i = 0; i < json_array_size(keys); i++)
        if (jwk_is_for(json_array_get(keys, i), "deriveKey"))
            return json_array_get(keys, i);
    return NULL;
}

json_t *jwk_point(const json_t *jwk, const char *curve)
{
    const char *type, *own, *x, *y;

    if (json_unpack((json_t *) jwk, "{s:s, s:s, s:s, s:s}", "kty", &type, "crv", &own, "x", &x, "y", &y) < 0)
        return NULL;
    if (strcmp(type, "EC") != 0 || strcmp(own, curve) != 0)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "kty", "EC", "crv", own, "x", x, "y", y, "alg", "ECMR");
}
