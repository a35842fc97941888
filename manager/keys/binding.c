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
#define PCRS_TEXT_MAX 64 /* all of them */

struct text {
    char *p;
    size_t size, n;
};

static void append_n(struct text *t, const char *s, size_t n)
{
    for (; n > 0 && t->n + 1 < t->size; s++, n--)
        t->p[t->n++] = (unsigned char) *s < 0x20 || (unsigned char) *s > 0x7e ? '?' : *s;
    t->p[t->n] = '\0';
}

static void append(struct text *t, const char *s)
{
    append_n(t, s, strlen(s));
}

/* Without what before an @ would be a name and a password: the list of keyslots is not secret. */
static void append_url(struct text *t, const char *url)
{
    const char *scheme_end = strstr(url, "://"), *host = scheme_end ? scheme_end + 3 : url, *end = host + strcspn(host, "/?#");

    append_n(t, url, (size_t) (host - url));
    for (const char *p = host; p < end; p++)
        if (*p == '@')
            host = p + 1;
    append(t, host);
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
    char number[32];
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
        append_url(binding, url ? url : "?");
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
    bool has[PCR_MAX + 1] = { false };
    const char *plus = "";
    json_t *pcr;
    size_t i;

    if (!json_is_array(pcrs))
        return -EINVAL;
    json_array_foreach(pcrs, i, pcr) {
        if (!json_is_integer(pcr) || json_integer_value(pcr) < 0 || json_integer_value(pcr) > PCR_MAX)
            return -EINVAL;
        has[json_integer_value(pcr)] = true;
    }
    for (int n = 0; n <= PCR_MAX; n++) {
        char number[8];

        if (!has[n])
            continue;
        (void) snprintf(number, sizeof(number), "%s%d", plus, n);
        append(t, number);
        plus = "+";
    }
    return 0;
}

/* A flag, or data where the others have none. */
static bool has_member(json_t *token, const char *name)
{
    json_t *member = json_object_get(token, name);

    return member && !json_is_false(member) && !json_is_null(member);
}

static void describe_tpm2(json_t *token, struct text *kind, struct text *binding)
{
    char pcrs[PCRS_TEXT_MAX] = "";
    struct text t = { pcrs, sizeof(pcrs), 0 };
    bool is_known = append_pcrs(json_object_get(token, "tpm2-pcrs"), &t) == 0;

    append(kind, "tpm2");
    append(binding, !is_known ? "PCRs ?" : t.n > 0 ? "PCRs " : "no PCRs");
    append(binding, pcrs);
    append(binding, has_member(token, "tpm2-pin") ? ", PIN" : "");
    append(binding, has_member(token, "tpm2_pubkey") ? ", signed policy" : "");
    append(binding, has_member(token, "tpm2_pcrlock") ? ", pcrlock" : "");
}

static void describe_recovery(json_t *token _unused_, struct text *kind, struct text *binding _unused_)
{
    append(kind, "recovery");
}

static void describe_fido2(json_t *token, struct text *kind, struct text *binding)
{
    append(kind, "fido2");
    append(binding, has_member(token, "fido2-clientPin-required") ? "PIN" : "");
}

/* The part behind the ? may hold the PIN (RFC 7512, section 2.4). */
static void describe_pkcs11(json_t *token, struct text *kind, struct text *binding)
{
    const char *uri = json_string_value(json_object_get(token, "pkcs11-uri"));

    append(kind, "pkcs11");
    if (uri)
        append_n(binding, uri, strcspn(uri, "?"));
}

static const struct {
    const char *type;
    void (*describe)(json_t *token, struct text *kind, struct text *binding);
} types[] = {
    { "clevis", describe_clevis },      { "systemd-tpm2", describe_tpm2 },     { "systemd-recovery", describe_recovery },
    { "systemd-fido2", describe_fido2 }, { "systemd-pkcs11", describe_pkcs11 },
};

/* Another program's type, so that it is not taken for a kind of ours. */
static void append_type(struct text *kind, const char *type)
{
    static const char *const taken[] = { "unlock-key", "passphrase", "tang", "sss", "tpm2", "fido2", "pkcs11", "recovery" };

    for (size_t i = 0; i < ELEMENTSOF(taken); i++)
        if (strcmp(taken[i], type) == 0)
            append(kind, "token-");
    append(kind, strncmp(type, "clevis-", 7) == 0 ? "token-" : "");
    append(kind, type);
}

void binding_describe(const char *token, char ret_kind[static KEYSLOT_KIND_MAX], char ret_binding[static KEYSLOT_BINDING_MAX])
{
    _cleanup_(json_decrefp) json_t *object = json_loads(token, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    struct text kind = { ret_kind, KEYSLOT_KIND_MAX, 0 }, binding = { ret_binding, KEYSLOT_BINDING_MAX, 0 };

    ret_kind[0] = ret_binding[0] = '\0';
    if (!type || !*type)
        type = "unknown";
    for (size_t i = 0; i < ELEMENTSOF(types); i++)
        if (strcmp(types[i].type, type) == 0) {
            types[i].describe(object, &kind, &binding);
            return;
        }
    append_type(&kind, type);
}

int binding_tpm2_pcrs(const char *token, char *ret, size_t size)
{
    static const char *const more[] = { "tpm2-pin", "tpm2_pubkey", "tpm2_pcrlock" };
    _cleanup_(json_decrefp) json_t *object = json_loads(token, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    char pcrs[PCRS_TEXT_MAX] = "";
    struct text t = { pcrs, sizeof(pcrs), 0 };

    if (!type || strcmp(type, "systemd-tpm2") != 0 || append_pcrs(json_object_get(object, "tpm2-pcrs"), &t) < 0 || t.n >= size)
        return -EINVAL;
    for (size_t i = 0; i < ELEMENTSOF(more); i++)
        if (has_member(object, more[i]))
            return -EOPNOTSUPP;
    memcpy(ret, pcrs, t.n + 1);
    return 0;
}
