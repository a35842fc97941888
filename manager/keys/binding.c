/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/binding.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "basic/cleanup.h"

#define PROTECTED_MAX (64U * 1024)
#define DEPTH_MAX 4
#define PCR_MAX 23

struct text {
    char *p;
    size_t size, n;
};

static void append(struct text *t, const char *s)
{
    for (; *s && t->n + 1 < t->size; s++)
        t->p[t->n++] = (unsigned char) *s < 0x20 || (unsigned char) *s > 0x7e ? '?' : *s;
    t->p[t->n] = '\0';
}

/* The protected header of a JWE (RFC 7516) from the n digits at text: base64url of JSON. */
static json_t *protected_header(const char *text, size_t n)
{
    _cleanup_free_ unsigned char *plain = malloc(n + 1);
    size_t size;

    if (n > PROTECTED_MAX || !plain ||
        sodium_base642bin(plain, n, text, n, NULL, &size, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) < 0)
        return NULL;
    return json_loadb((const char *) plain, size, 0, NULL);
}

static void describe_pin(json_t *header, int depth, struct text *kind, struct text *binding);

/* The shares of an sss pin are compact JWEs. */
static void describe_sss(json_t *sss, int depth, struct text *binding)
{
    json_t *shares = json_object_get(sss, "jwe"), *share;
    char number[24];
    size_t i;

    (void) snprintf(number, sizeof(number), "%lld of ", (long long) json_integer_value(json_object_get(sss, "t")));
    append(binding, number);
    json_array_foreach(shares, i, share) {
        const char *text = json_string_value(share);
        _cleanup_(json_decrefp) json_t *header = text ? protected_header(text, strcspn(text, ".")) : NULL;

        append(binding, i > 0 ? ", " : "");
        describe_pin(header, depth + 1, NULL, binding);
    }
}

/* kind is NULL for a pin inside another, which then has to be told in binding. */
static void describe_pin(json_t *header, int depth, struct text *kind, struct text *binding)
{
    json_t *clevis = json_object_get(header, "clevis");
    const char *pin = json_string_value(json_object_get(clevis, "pin")), *url;
    bool is_tang = pin && strcmp(pin, "tang") == 0, is_sss = pin && strcmp(pin, "sss") == 0;

    if (kind) {
        append(kind, !pin ? "clevis" : is_tang || is_sss ? "" : "clevis-");
        append(kind, pin ? pin : "");
    }
    if (is_tang) {
        url = json_string_value(json_object_get(json_object_get(clevis, "tang"), "url"));
        append(binding, url ? url : "?");
    } else if (is_sss && depth < DEPTH_MAX) {
        append(binding, kind ? "" : "(");
        describe_sss(json_object_get(clevis, "sss"), depth, binding);
        append(binding, kind ? "" : ")");
    } else if (!kind)
        append(binding, pin ? pin : "?");
}

static void describe_clevis(json_t *token, struct text *kind, struct text *binding)
{
    const char *text = json_string_value(json_object_get(json_object_get(token, "jwe"), "protected"));
    _cleanup_(json_decrefp) json_t *header = text ? protected_header(text, strlen(text)) : NULL;

    describe_pin(header, 0, kind, binding);
}

/* "7+11" */
static int append_pcrs(json_t *pcrs, struct text *t)
{
    json_t *pcr;
    size_t i;

    json_array_foreach(pcrs, i, pcr) {
        char number[8];

        if (!json_is_integer(pcr) || json_integer_value(pcr) < 0 || json_integer_value(pcr) > PCR_MAX)
            return -EINVAL;
        (void) snprintf(number, sizeof(number), "%s%d", i > 0 ? "+" : "", (int) json_integer_value(pcr));
        append(t, number);
    }
    return 0;
}

static void describe_tpm2(json_t *token, struct text *kind, struct text *binding)
{
    json_t *pcrs = json_object_get(token, "tpm2-pcrs");

    append(kind, "tpm2");
    append(binding, json_array_size(pcrs) > 0 ? "PCRs " : "no PCRs");
    (void) append_pcrs(pcrs, binding);
    append(binding, json_is_true(json_object_get(token, "tpm2-pin")) ? ", PIN" : "");
    append(binding, json_object_get(token, "tpm2_pubkey") ? ", signed policy" : "");
}

static void describe_recovery(json_t *token _unused_, struct text *kind, struct text *binding _unused_)
{
    append(kind, "recovery");
}

static void describe_fido2(json_t *token, struct text *kind, struct text *binding)
{
    append(kind, "fido2");
    append(binding, json_is_true(json_object_get(token, "fido2-clientPin-required")) ? "PIN" : "");
}

static void describe_pkcs11(json_t *token, struct text *kind, struct text *binding)
{
    const char *uri = json_string_value(json_object_get(token, "pkcs11-uri"));

    append(kind, "pkcs11");
    append(binding, uri ? uri : "");
}

static const struct {
    const char *type;
    void (*describe)(json_t *token, struct text *kind, struct text *binding);
} types[] = {
    { "clevis", describe_clevis },      { "systemd-tpm2", describe_tpm2 },     { "systemd-recovery", describe_recovery },
    { "systemd-fido2", describe_fido2 }, { "systemd-pkcs11", describe_pkcs11 },
};

void binding_describe(const char *token, char ret_kind[static KEYSLOT_KIND_MAX], char ret_binding[static KEYSLOT_BINDING_MAX])
{
    _cleanup_(json_decrefp) json_t *object = json_loads(token, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    struct text kind = { ret_kind, KEYSLOT_KIND_MAX, 0 }, binding = { ret_binding, KEYSLOT_BINDING_MAX, 0 };

    ret_kind[0] = ret_binding[0] = '\0';
    if (!type)
        type = "unknown";
    for (size_t i = 0; i < ELEMENTSOF(types); i++)
        if (strcmp(types[i].type, type) == 0) {
            types[i].describe(object, &kind, &binding);
            return;
        }
    append(&kind, type);
}

int binding_tpm2_pcrs(const char *token, char *ret, size_t size)
{
    static const char *const more[] = { "tpm2_pubkey", "tpm2_pcrlock", "tpm2-pcrlock" };
    _cleanup_(json_decrefp) json_t *object = json_loads(token, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    char pcrs[128] = "";
    struct text t = { pcrs, sizeof(pcrs), 0 };

    if (!type || strcmp(type, "systemd-tpm2") != 0 || append_pcrs(json_object_get(object, "tpm2-pcrs"), &t) < 0 || t.n >= size)
        return -EINVAL;
    for (size_t i = 0; i < ELEMENTSOF(more); i++)
        if (json_is_true(json_object_get(object, more[i])) || json_is_string(json_object_get(object, more[i])))
            return -EOPNOTSUPP;
    if (json_is_true(json_object_get(object, "tpm2-pin")))
        return -EOPNOTSUPP;
    memcpy(ret, pcrs, t.n + 1);
    return 0;
}
