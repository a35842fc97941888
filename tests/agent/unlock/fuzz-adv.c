/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server answers: its advertisement, or a recovered key. */
#include <stdint.h>
#include <stdlib.h>

#include "unlock/adv.h"
#include "unlock/jwks.h"
#include "unlock/tang.h"

#define CLIENT                                                                                                   \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"tPbR2mqXtjyv_QYSOVDASVdfemJhyM5wBztJWGgkles\",\"y\":\"r5QcgoCS7sF6emy8KoWniy6XvvN0gkXTQjbwOmzd6Fg\"}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void recover_from(const uint8_t *data, size_t size)
{
    static json_t *client, *ephemeral;
    static char *request;
    json_t *key;

    if (!client) {
        client = json_loads(CLIENT, 0, NULL);
        if (!client || tang_ask(client, &ephemeral, &request) < 0)
            abort();
    }
    if (tang_recover(client, ephemeral, data, size, &key) < 0)
        return;
    if (!json_object_get(key, "x"))
        abort();
    json_decref(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *thumbprints = NULL;
    struct adv a;

    recover_from(data, size);
    if (adv_parse(data, size, &a, NULL) < 0)
        return 0;
    thumbprints = jwks_signing_thumbprints(a.keys);
    if (!thumbprints || json_array_size(thumbprints) == 0 || !jwks_exchange_key(a.keys))
        abort();
    for (size_t i = 0; i < json_array_size(thumbprints); i++) {
        const json_t *key = jwks_find(a.keys, json_string_value(json_array_get(thumbprints, i)));

        if (!key || !adv_is_signed_by(&a, key))
            abort();
    }
    adv_done(&a);
    return 0;
}
