/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "token/token_json.h"
#include "token/token_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is the same token, of a kind there is a plugin for, and on no keyslot. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(token_done) struct token t = TOKEN_NULL, again = TOKEN_NULL;
    _cleanup_(json_decrefp) json_t *object = NULL;

    if (token_parse(data, size, &t, NULL) < 0)
        return 0;
    object = json_loads(t.json, 0, NULL);
    if (!object || size > TOKEN_JSON_MAX || json_array_size(json_object_get(object, "keyslots")) != 0 ||
        strcmp(json_string_value(json_object_get(object, "type")), token_type(t.kind)) != 0)
        abort();
    if (strlen(t.json) <= TOKEN_JSON_MAX &&
        (token_parse(t.json, strlen(t.json), &again, NULL) < 0 || strcmp(t.json, again.json) != 0 || t.pcrs != again.pcrs))
        abort();
    return 0;
}
