/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/token_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "token/token_protocol.h"

#define PCRS 24
#define SHARDS_MAX 8
#define HEX_DIGITS "0123456789abcdefABCDEF"
#define BASE64_DIGITS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/="

enum form {
    TEXT,
    BASE64,
    BASE64S, /* one, or an array of one or more */
    HEXES,
    FLAG,
    PCR_LIST,
};

static const char *const types[] = {
    [TOKEN_TPM2] = "systemd-tpm2",
    [TOKEN_FIDO2] = "systemd-fido2",
    [TOKEN_PKCS11] = "systemd-pkcs11",
};

/* The fields that systemd's plugins read. Of some they take the type for granted, of some that there is a byte in them: they end the
 * process when it is not so. */
static const struct field {
    enum token_kind kind;
    enum form form;
    bool needed;
    bool pin; /* a person's secret is needed when the flag is true */
    const char *name;
} fields[] = {
    { TOKEN_TPM2, BASE64S, true, false, "tpm2-blob" },
    { TOKEN_TPM2, HEXES, true, false, "tpm2-policy-hash" },
    { TOKEN_TPM2, PCR_LIST, true, false, "tpm2-pcrs" },
    { TOKEN_TPM2, TEXT, false, false, "tpm2-pcr-bank" },
    { TOKEN_TPM2, TEXT, false, false, "tpm2-primary-alg" },
    { TOKEN_TPM2, FLAG, false, true, "tpm2-pin" },
    { TOKEN_TPM2, FLAG, false, false, "tpm2_pcrlock" },
    { TOKEN_TPM2, BASE64, false, false, "tpm2_salt" },
    { TOKEN_TPM2, PCR_LIST, false, false, "tpm2_pubkey_pcrs" },
    { TOKEN_TPM2, BASE64, false, false, "tpm2_pubkey" },
    { TOKEN_TPM2, BASE64, false, false, "tpm2_srk" },
    { TOKEN_TPM2, BASE64, false, false, "tpm2_pcrlock_nv" },
    { TOKEN_FIDO2, BASE64, true, false, "fido2-credential" },
    { TOKEN_FIDO2, BASE64, true, false, "fido2-salt" },
    { TOKEN_FIDO2, TEXT, false, false, "fido2-rp" },
    { TOKEN_FIDO2, FLAG, false, true, "fido2-clientPin-required" },
    { TOKEN_FIDO2, FLAG, false, false, "fido2-up-required" },
    { TOKEN_FIDO2, FLAG, false, false, "fido2-uv-required" },
    { TOKEN_PKCS11, TEXT, true, false, "pkcs11-uri" },
    { TOKEN_PKCS11, BASE64, true, false, "pkcs11-key" },
};

const char *token_type(enum token_kind kind)
{
    return types[kind];
}

static bool is_of(const json_t *v, const char *letters)
{
    const char *text = json_string_value(v);

    return text && text[0] && text[0] != '=' && text[strspn(text, letters)] == 0;
}

static bool are_of(const json_t *v, const char *letters)
{
    const json_t *element;
    size_t i;

    if (!json_is_array(v))
        return is_of(v, letters);
    json_array_foreach(v, i, element)
        if (!is_of(element, letters))
            return false;
    return i > 0 && i <= SHARDS_MAX;
}

static bool are_pcrs(const json_t *v)
{
    const json_t *element;
    size_t i;

    if (!json_is_array(v) || json_array_size(v) > PCRS)
        return false;
    json_array_foreach(v, i, element)
        if (!json_is_integer(element) || json_integer_value(element) < 0 || json_integer_value(element) >= PCRS)
            return false;
    return true;
}

static bool has_form(const json_t *v, enum form form)
{
    switch (form) {
    case TEXT:
        return json_string_length(v) > 0;
    case BASE64:
        return is_of(v, BASE64_DIGITS);
    case BASE64S:
        return are_of(v, BASE64_DIGITS);
    case HEXES:
        return are_of(v, HEX_DIGITS);
    case FLAG:
        return json_is_boolean(v);
    case PCR_LIST:
        return are_pcrs(v);
    }
    return false;
}

static int check_fields(const json_t *object, enum token_kind kind, struct error *e)
{
    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        const struct field *f = &fields[i];
        const json_t *v = json_object_get(object, f->name);

        if (f->kind != kind || (!v && !f->needed))
            continue;
        if (!v || !has_form(v, f->form))
            return error_set(e, -EINVAL, "the token of type %s has no valid field '%s'", types[kind], f->name);
        if (f->pin && json_is_true(v))
            return error_set(e, -EOPNOTSUPP, "the token of type %s wants a PIN, which nobody can enter here: unlock with another key",
                             types[kind]);
    }
    return 0;
}

static int kind_of(const json_t *object, enum token_kind *ret, struct error *e)
{
    const char *type = json_string_value(json_object_get(object, "type"));

    if (!type)
        return error_set(e, -EINVAL, "not the JSON of a LUKS2 token");
    for (size_t i = 0; i < ELEMENTSOF(types); i++)
        if (strcmp(type, types[i]) == 0) {
            *ret = (enum token_kind) i;
            return 0;
        }
    return error_set(e, -EOPNOTSUPP, "only tokens of type systemd-tpm2, systemd-fido2 and systemd-pkcs11 can be opened here");
}

static uint32_t pcr_mask(const json_t *list)
{
    const json_t *element;
    uint32_t mask = 0;
    size_t i;

    json_array_foreach(list, i, element)
        mask |= UINT32_C(1) << json_integer_value(element);
    return mask;
}

int token_parse(const void *json, size_t size, struct token *ret, struct error *e)
{
    _cleanup_(json_decrefp) json_t *object = NULL;
    struct token t = TOKEN_NULL;
    int r;

    if (size > TOKEN_JSON_MAX)
        return error_set(e, -EINVAL, "the token has more than %u bytes", TOKEN_JSON_MAX);
    object = json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object))
        return error_set(e, -EINVAL, "not the JSON of a LUKS2 token");
    r = kind_of(object, &t.kind, e);
    if (r == 0)
        r = check_fields(object, t.kind, e);
    if (r < 0)
        return r;
    t.pcrs = pcr_mask(json_object_get(object, "tpm2-pcrs"));
    if (json_object_set_new(object, "keyslots", json_array()) < 0)
        return error_set(e, -ENOMEM, "no memory for the token");
    t.json = json_dumps(object, JSON_COMPACT);
    if (!t.json)
        return error_set(e, -ENOMEM, "no memory for the token");
    *ret = t;
    return 0;
}

void token_done(struct token *t)
{
    free(t->json);
    *t = TOKEN_NULL;
}
