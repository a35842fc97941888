/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/pin.h"

#include <errno.h>
#include <jose/b64.h>
#include <string.h>

#include "unlock/binding.h"
#include "unlock/http.h"
#include "unlock/jwks.h"
#include "unlock/tang.h"

struct limits {
    unsigned depth, servers;
};

static int encrypt(const json_t *pin, struct limits *limits, const void *plaintext, size_t size, json_t **ret_parts, struct error *e);

static int encrypt_tang(json_t *settings, struct limits *limits, const void *plaintext, size_t size, json_t **ret_parts, struct error *e)
{
    const char *url;
    json_t *adv;
    int r;

    if (json_unpack(settings, "{s:s, s:o!}", "url", &url, "adv", &adv) < 0 || !jwks_valid(adv))
        return error_set(e, -EINVAL, "a tang pin has \"url\" and \"adv\" with the server's keys, and nothing else");
    if (++limits->servers > UNLOCK_SERVERS_MAX)
        return error_set(e, -EINVAL, "the pin has over %d servers", UNLOCK_SERVERS_MAX);
    r = http_check_url(url, e);
    return r < 0 ? r : tang_encrypt(url, adv, plaintext, size, ret_parts, e);
}

static int encrypt_share(const json_t *pin, struct limits *limits, const struct secret *polynomial, json_t *list, struct error *e)
{
    _cleanup_(secret_done) struct secret share = SECRET_NULL;
    _cleanup_free_ char *compact = NULL;
    json_auto_t *parts = NULL;
    int r = sss_share(polynomial, &share);

    if (r < 0)
        return error_set(e, r, "cannot make a share");
    r = encrypt(pin, limits, share.data, share.size, &parts, e);
    if (r < 0)
        return r;
    compact = jwe_compact(parts);
    return !compact || json_array_append_new(list, json_string(compact)) < 0 ? -ENOMEM : 0;
}

static int seal_sss(unsigned threshold, json_t *list, const struct secret *polynomial, const void *plaintext, size_t size, json_t **ret_parts)
{
    json_auto_t *header = json_pack("{s:s, s:{s:s, s:{s:i, s:o, s:O}}}", "alg", "dir", "clevis", "pin", "sss", "sss", "t", (int) threshold,
                                    "p", jose_b64_enc(sss_prime, SSS_SIZE), "jwe", list);
    json_auto_t *key = json_pack("{s:s, s:o}", "kty", "oct", "k", jose_b64_enc(polynomial->data, SSS_SIZE));

    return header && key ? jwe_seal(header, key, plaintext, size, ret_parts) : -ENOMEM;
}

static int encrypt_sss(json_t *settings, struct limits *limits, const void *plaintext, size_t size, json_t **ret_parts, struct error *e)
{
    _cleanup_(secret_done) struct secret polynomial = SECRET_NULL;
    json_auto_t *list = json_array();
    json_int_t threshold;
    json_t *pins;
    int r;

    if (json_unpack(settings, "{s:I, s:o!}", "t", &threshold, "pins", &pins) < 0 || !json_is_array(pins) || threshold < 1 ||
        (size_t) threshold > json_array_size(pins) || json_array_size(pins) > UNLOCK_SERVERS_MAX)
        return error_set(e, -EINVAL, "an sss pin has 1 to %d \"pins\", \"t\" of which are needed, and nothing else", UNLOCK_SERVERS_MAX);
    r = sss_new((unsigned) threshold, &polynomial);
    limits->depth++;
    for (size_t i = 0; i < json_array_size(pins) && r == 0; i++)
        r = encrypt_share(json_array_get(pins, i), limits, &polynomial, list, e);
    limits->depth--;
    if (r < 0)
        return r;
    r = seal_sss((unsigned) threshold, list, &polynomial, plaintext, size, ret_parts);
    return r < 0 ? error_set(e, r, "cannot encrypt with the shared key") : 0;
}

static int encrypt(const json_t *pin, struct limits *limits, const void *plaintext, size_t size, json_t **ret_parts, struct error *e)
{
    const char *name = json_string_value(json_object_get(pin, "pin"));

    if (limits->depth >= UNLOCK_DEPTH_MAX)
        return error_set(e, -EINVAL, "the pins are nested over %d deep", UNLOCK_DEPTH_MAX);
    if (name && strcmp(name, "tang") == 0)
        return encrypt_tang(json_object_get(pin, "tang"), limits, plaintext, size, ret_parts, e);
    if (name && strcmp(name, "sss") == 0)
        return encrypt_sss(json_object_get(pin, "sss"), limits, plaintext, size, ret_parts, e);
    return error_set(e, -EINVAL, "a pin is {\"pin\":\"tang\",\"tang\":{…}} or {\"pin\":\"sss\",\"sss\":{…}}");
}

int pin_encrypt(const json_t *pin, const void *plaintext, size_t size, json_t **ret_parts, struct error *e)
{
    struct limits limits = { 0, 0 };

    return encrypt(pin, &limits, plaintext, size, ret_parts, e);
}

json_t *pin_of(const struct binding *b, const json_t *(*adv_of)(const struct binding *tang, void *data), void *data)
{
    json_auto_t *pins = NULL;

    if (b->url) {
        const json_t *adv = adv_of(b, data);

        return json_pack("{s:s, s:{s:s, s:O}}", "pin", "tang", "tang", "url", b->url, "adv", adv ? adv : b->adv);
    }
    pins = json_array();
    for (size_t i = 0; i < b->n_children; i++)
        if (json_array_append_new(pins, pin_of(b->children[i], adv_of, data)) < 0)
            return NULL;
    return json_pack("{s:s, s:{s:i, s:O}}", "pin", "sss", "sss", "t", (int) b->threshold, "pins", pins);
}
