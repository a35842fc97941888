/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/binding.h"

#include <errno.h>
#include <jose/b64.h>
#include <stdbool.h>
#include <string.h>

#include "unlock/http.h"
#include "unlock/jwks.h"

DEFINE_CLEANUP(struct binding *, binding_free)

struct limits {
    unsigned depth, servers;
};

static int parse(const void *jwe, size_t size, struct limits *limits, struct binding **ret, struct error *e);

void binding_free(struct binding *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n_children; i++)
        binding_free(b->children[i]);
    free(b->children);
    free(b->url);
    jwe_done(&b->jwe);
    free(b);
}

static int check_algorithm(const struct binding *b, const char *algorithm, struct error *e)
{
    const char *alg = json_string_value(json_object_get(b->jwe.header, "alg"));

    if (!alg || strcmp(alg, algorithm) != 0)
        return error_set(e, -EINVAL, "the JWE is not encrypted in the way of its pin (%s)", algorithm);
    return 0;
}

/* clevis takes a URL without a scheme as http. */
static int set_url(struct binding *b, const char *url, struct error *e)
{
    if (asprintf(&b->url, "%s%s", strstr(url, "://") ? "" : "http://", url) < 0) {
        b->url = NULL;
        return -ENOMEM;
    }
    return http_check_url(b->url, e);
}

static int parse_tang(struct binding *b, json_t *settings, struct limits *limits, struct error *e)
{
    const char *url;
    json_t *adv, *epk;
    int r = check_algorithm(b, "ECDH-ES", e);

    if (r < 0)
        return r;
    if (++limits->servers > UNLOCK_SERVERS_MAX)
        return error_set(e, -EINVAL, "the JWE has over %d servers", UNLOCK_SERVERS_MAX);
    if (json_unpack(settings, "{s:s, s:o}", "url", &url, "adv", &adv) < 0 ||
        json_unpack(b->jwe.header, "{s:s, s:o}", "kid", &b->kid, "epk", &epk) < 0 || !jwks_valid(adv) || !json_is_object(epk))
        return error_set(e, -EINVAL, "the tang pin of the JWE is incomplete");
    if (b->kid[0] == '\0' || strspn(b->kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(b->kid))
        return error_set(e, -EINVAL, "the JWE's key id is no thumbprint");
    r = set_url(b, url, e);
    if (r < 0)
        return r;
    b->adv = adv;
    b->epk = epk;
    b->server = jwks_find(adv, b->kid);
    if (!b->server)
        return error_set(e, -EINVAL, "the JWE for %s does not have the server key that it names", b->url);
    return 0;
}

static int parse_children(struct binding *b, const json_t *list, struct limits *limits, struct error *e)
{
    b->children = calloc(json_array_size(list), sizeof(*b->children));
    if (!b->children)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *text = json_array_get(list, i);
        int r;

        if (!json_is_string(text))
            return error_set(e, -EINVAL, "a share of the sss pin is no JWE");
        r = parse(json_string_value(text), json_string_length(text), limits, &b->children[i], e);
        if (r < 0)
            return r;
        b->children[i]->parent = b;
        b->n_children++;
    }
    return 0;
}

static bool decode_prime(const json_t *text, unsigned char ret[static SSS_SIZE])
{
    return jose_b64_dec(text, NULL, 0) == SSS_SIZE && jose_b64_dec(text, ret, SSS_SIZE) == SSS_SIZE;
}

static int parse_sss(struct binding *b, json_t *settings, struct limits *limits, struct error *e)
{
    json_t *prime, *list;
    json_int_t threshold;
    int r = check_algorithm(b, "dir", e);

    if (r < 0)
        return r;
    if (json_unpack(settings, "{s:I, s:o, s:o}", "t", &threshold, "p", &prime, "jwe", &list) < 0 || !decode_prime(prime, b->prime) ||
        threshold < 1 || (size_t) threshold > json_array_size(list))
        return error_set(e, -EINVAL, "the sss pin of the JWE is incomplete");
    if (json_array_size(list) > UNLOCK_SERVERS_MAX)
        return error_set(e, -EINVAL, "the JWE has over %d servers", UNLOCK_SERVERS_MAX);
    b->threshold = (unsigned) threshold;
    limits->depth++;
    r = parse_children(b, list, limits, e);
    limits->depth--;
    return r;
}

static int unknown_pin(const char *pin, struct error *e)
{
    if (strlen(pin) > 32 || strspn(pin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(pin))
        pin = "?";
    return error_set(e, -EOPNOTSUPP, "the pin \"%s\" is not known here: it needs clevis", pin);
}

static int parse(const void *jwe, size_t size, struct limits *limits, struct binding **ret, struct error *e)
{
    _cleanup_(binding_freep) struct binding *b = calloc(1, sizeof(*b));
    json_t *clevis;
    const char *pin;
    int r;

    if (!b)
        return -ENOMEM;
    if (limits->depth >= UNLOCK_DEPTH_MAX)
        return error_set(e, -EINVAL, "the JWE's pins are nested over %d deep", UNLOCK_DEPTH_MAX);
    r = jwe_parse(jwe, size, &b->jwe, e);
    if (r < 0)
        return r;
    clevis = json_object_get(b->jwe.header, "clevis");
    pin = json_string_value(json_object_get(clevis, "pin"));
    if (!pin)
        return error_set(e, -EINVAL, "the JWE is not one of clevis: its header names no pin");
    if (strcmp(pin, "tang") == 0)
        r = parse_tang(b, json_object_get(clevis, "tang"), limits, e);
    else if (strcmp(pin, "sss") == 0)
        r = parse_sss(b, json_object_get(clevis, "sss"), limits, e);
    else
        r = unknown_pin(pin, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(b);
    return 0;
}

int binding_parse(const void *jwe, size_t size, struct binding **ret, struct error *e)
{
    struct limits limits = { 0, 0 };

    return parse(jwe, size, &limits, ret, e);
}
