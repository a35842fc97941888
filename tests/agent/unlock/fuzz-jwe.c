/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <jose/b64.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unlock/binding.h"
#include "unlock/http.h"
#include "unlock/pin.h"
#include "unlock/tang.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const json_t *no_adv(const struct binding *b, void *unused)
{
    (void) b;
    (void) unused;
    return NULL;
}

static unsigned check_binding(const struct binding *b, unsigned depth)
{
    _cleanup_free_ char *request = NULL;
    json_auto_t *ephemeral = NULL;
    unsigned servers = b->url ? 1 : 0;

    if (depth > UNLOCK_DEPTH_MAX || (b->url && (http_check_url(b->url, NULL) < 0 || !b->kid || !b->server || b->n_children > 0)) ||
        (!b->url && (b->threshold < 1 || b->threshold > b->n_children)))
        abort();
    if (b->url)
        (void) tang_ask(b->epk, &ephemeral, &request);
    for (size_t i = 0; i < b->n_children; i++)
        servers += check_binding(b->children[i], depth + 1);
    return servers;
}

/* As a JWE, or else as the protected header of one. */
static int parse(const uint8_t *data, size_t size, struct binding **ret)
{
    json_auto_t *header = NULL;
    _cleanup_free_ char *text = NULL;

    if (binding_parse(data, size, ret, NULL) == 0)
        return 0;
    header = jose_b64_enc(data, size);
    if (!header || asprintf(&text, "%s..AAAA.AAAA.AAAA", json_string_value(header)) < 0)
        abort();
    return binding_parse(text, strlen(text), ret, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct binding *b;
    json_t *pin;

    if (parse(data, size, &b) < 0)
        return 0;
    if (check_binding(b, 1) > UNLOCK_SERVERS_MAX)
        abort();
    pin = pin_of(b, no_adv, NULL);
    if (!pin)
        abort();
    json_decref(pin);
    binding_free(b);
    return 0;
}
