/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "open/jwe.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "basic/cleanup.h"

static json_t *token_load(const char *token)
{
    return json_loads(token, 0, NULL);
}

int jwe_flattened(const char *token, char **ret)
{
    _cleanup_(json_decrefp) json_t *json = token_load(token);
    const json_t *jwe = json_object_get(json, "jwe");
    char *text;

    if (!json_is_object(jwe))
        return -EINVAL;
    text = json_dumps(jwe, JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    *ret = text;
    return 0;
}

int jwe_compact(const char *token, char **ret)
{
    static const char *const names[] = { "protected", "encrypted_key", "iv", "ciphertext", "tag" };
    _cleanup_(json_decrefp) json_t *json = token_load(token);
    const json_t *jwe = json_object_get(json, "jwe");
    const char *parts[ELEMENTSOF(names)];
    char *text;

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        parts[i] = json_string_value(json_object_get(jwe, names[i]));
        if (!parts[i] && i == 1) /* there is none where the key is agreed on directly */
            parts[i] = "";
        if (!parts[i] || strchr(parts[i], '.'))
            return -EINVAL;
    }
    if (asprintf(&text, "%s.%s.%s.%s.%s", parts[0], parts[1], parts[2], parts[3], parts[4]) < 0)
        return -ENOMEM;
    *ret = text;
    return 0;
}
