/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/enroll_request.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "token/token_protocol.h"

#define PCR_NAME_MAX 32
#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"
#define LETTERS "abcdefghijklmnopqrstuvwxyz"

static const struct {
    const char *name;
    size_t digits;
} banks[] = { { "sha1", 40 }, { "sha256", 64 }, { "sha384", 96 }, { "sha512", 128 } };

/* The names are systemd's, and grow with its releases: it is the one to know them. */
static bool is_register(const char *s, size_t n)
{
    if (n > 0 && strchr(DIGITS, s[0]))
        return strspn(s, DIGITS) == n && (n == 1 || (n == 2 && (s[0] == '1' || (s[0] == '2' && s[1] <= '3'))));
    return n > 0 && n <= PCR_NAME_MAX && strchr(LETTERS, s[0]) && strspn(s, LETTERS DIGITS "-") == n;
}

static bool is_bank(const char *s, size_t n, size_t digits)
{
    for (size_t i = 0; i < ELEMENTSOF(banks); i++)
        if (strlen(banks[i].name) == n && memcmp(s, banks[i].name, n) == 0)
            return digits == 0 || digits == banks[i].digits;
    return false;
}

/* REGISTER[:BANK[=VALUE]] */
static bool is_pcr(const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n), *equals = memchr(s, '=', n);
    size_t digits = equals ? n - (size_t) (equals + 1 - s) : 0;

    if (!colon)
        return is_register(s, n);
    if (equals && (equals < colon || digits == 0 || strspn(equals + 1, HEX_DIGITS) != digits))
        return false;
    return is_register(s, (size_t) (colon - s)) && is_bank(colon + 1, n - (size_t) (colon + 1 - s) - digits - (equals ? 1 : 0), digits);
}

bool pcrs_are_valid(const char *text)
{
    if (strlen(text) > PCRS_TEXT_MAX)
        return false;
    while (*text) {
        size_t n = strcspn(text, "+,");

        if (!is_pcr(text, n) || (text[n] && !text[n + 1]))
            return false;
        text += n + (text[n] ? 1 : 0);
    }
    return true;
}

static int parse(const json_t *object, struct enroll_request *ret, struct error *e)
{
    const json_t *kind = json_object_get(object, "kind"), *pcrs = json_object_get(object, "pcrs");

    if (!json_is_string(kind) || (pcrs && !json_is_string(pcrs)) || json_object_size(object) != (pcrs ? 2 : 1))
        return error_set(e, -EINVAL, "the request to enroll has no valid form");
    if (strcmp(json_string_value(kind), "tpm2") != 0)
        return error_set(e, -EOPNOTSUPP, "only a TPM2 token can be enrolled here: for other kinds see systemd-cryptenroll(1)");
    if (pcrs && !pcrs_are_valid(json_string_value(pcrs)))
        return error_set(e, -EINVAL, "not a list of PCRs: give numbers from 0 to 23 with '+' between them, as in 7+11");
    *ret = (struct enroll_request) { .has_pcrs = pcrs };
    if (pcrs)
        memcpy(ret->pcrs, json_string_value(pcrs), json_string_length(pcrs));
    return 0;
}

int enroll_request_parse(const void *json, size_t size, struct enroll_request *ret, struct error *e)
{
    _cleanup_(json_decrefp) json_t *object = NULL;

    if (size <= TOKEN_REQUEST_MAX)
        object = json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object))
        return error_set(e, -EINVAL, "the request to enroll has no valid form");
    return parse(object, ret, e);
}
