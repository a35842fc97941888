/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots_token.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "basic/cleanup.h"
#include "keys/keyslots.h"

#define VERSION 1
#define TOKEN_JSON_MAX 4096

static const char *const states[] = {
    [TOKEN_PENDING] = "pending", [TOKEN_ACTIVE] = "active",         [TOKEN_RETIRING] = "retiring",
    [TOKEN_ADDING] = "adding",   [TOKEN_DESTROYING] = "destroying",
};

static int member_number(json_t *object, const char *name, json_int_t min, json_int_t max, json_int_t *ret)
{
    json_t *v = json_object_get(object, name);

    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return -EBADMSG;
    *ret = json_integer_value(v);
    return 0;
}

static int member_state(json_t *object, enum unlock_token_state *ret)
{
    const char *text = json_string_value(json_object_get(object, "state"));

    for (unsigned i = 0; text && i < ELEMENTSOF(states); i++)
        if (strcmp(text, states[i]) == 0) {
            *ret = (enum unlock_token_state) i;
            return 0;
        }
    return -EBADMSG;
}

/* LUKS2 keeps slot numbers as strings, and takes a destroyed slot out of every token. */
static int member_keyslot(json_t *object, int *ret)
{
    json_t *slots = json_object_get(object, "keyslots");
    const char *text;
    int slot, end = 0;

    if (!json_is_array(slots) || json_array_size(slots) > 1)
        return -EBADMSG;
    if (json_array_size(slots) == 0) {
        *ret = -1;
        return 0;
    }
    text = json_string_value(json_array_get(slots, 0));
    if (!text || strlen(text) > 2 || sscanf(text, "%2d%n", &slot, &end) != 1 || text[end] != 0 || slot < 0 ||
        slot >= crypt_keyslot_max(CRYPT_LUKS2))
        return -EBADMSG;
    *ret = slot;
    return 0;
}

static int parse_adding(json_t *object, struct unlock_token *token)
{
    json_int_t slot, iterations;
    int r = member_number(object, "slot", 0, crypt_keyslot_max(CRYPT_LUKS2) - 1, &slot);

    if (r == 0)
        r = member_number(object, "iterations", 1000, UINT32_MAX, &iterations);
    if (r < 0 || token->slot >= 0)
        return -EBADMSG;
    token->slot = (int) slot;
    token->iterations = (uint32_t) iterations;
    return 0;
}

static int parse(json_t *object, struct unlock_token *token)
{
    json_int_t version, generation;
    const char *area;
    int r = member_number(object, "version", 1, INT32_MAX, &version);

    if (r == 0 && version > VERSION)
        return -EPROTONOSUPPORT;
    if (r == 0)
        r = member_number(object, "gen", 0, UINT32_MAX, &generation);
    if (r == 0)
        r = member_state(object, &token->state);
    if (r == 0)
        r = member_keyslot(object, &token->slot);
    if (r < 0)
        return r;
    token->generation = (uint32_t) generation;
    if (token->state == TOKEN_ADDING)
        return parse_adding(object, token);
    area = json_string_value(json_object_get(object, "area"));
    if (!area || strlen(area) != AREA_DIGEST_LEN || strspn(area, "0123456789abcdef") != AREA_DIGEST_LEN)
        return -EBADMSG;
    memcpy(token->area, area, sizeof(token->area));
    return 0;
}

int unlock_token_read(struct crypt_device *cd, int id, struct unlock_token *ret)
{
    _cleanup_(json_decrefp) json_t *object = NULL;
    struct unlock_token token = { .id = id };
    const char *type = NULL, *text;
    int r;

    (void) crypt_token_status(cd, id, &type);
    if (!type || strcmp(type, KEYSLOT_TOKEN_TYPE) != 0)
        return -ENOENT;
    if (crypt_token_json_get(cd, id, &text) < 0 || strlen(text) > TOKEN_JSON_MAX)
        return -EBADMSG;
    object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    r = parse(object, &token);
    if (r < 0)
        return r;
    *ret = token;
    return 0;
}

int unlock_token_write(struct crypt_device *cd, const struct unlock_token *token)
{
    char text[512];
    int n;

    if (token->state == TOKEN_ADDING)
        n = snprintf(text, sizeof(text),
                     "{\"type\":\"" KEYSLOT_TOKEN_TYPE "\",\"keyslots\":[],\"version\":%d,\"gen\":%u,\"state\":\"%s\","
                     "\"slot\":%d,\"iterations\":%u}",
                     VERSION, token->generation, states[token->state], token->slot, token->iterations);
    else
        n = snprintf(text, sizeof(text),
                     "{\"type\":\"" KEYSLOT_TOKEN_TYPE "\",\"keyslots\":[\"%d\"],\"version\":%d,\"gen\":%u,\"state\":\"%s\","
                     "\"area\":\"%s\"}",
                     token->slot, VERSION, token->generation, states[token->state], token->area);
    assert(n > 0 && (size_t) n < sizeof(text));
    return crypt_token_json_set(cd, token->id, text);
}
