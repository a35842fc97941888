/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/jwe.h"

#include <errno.h>
#include <jose/b64.h>
#include <jose/jwe.h>
#include <string.h>

#define ENCRYPTION "A256GCM"

/* in the order of the compact form */
static const char *const fields[] = { "protected", "encrypted_key", "iv", "ciphertext", "tag" };

static bool is_base64url(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", s[i], 64))
            return false;
    return true;
}

static json_t *parts_from_compact(const char *text, size_t size)
{
    json_auto_t *parts = json_object();

    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        const char *dot = memchr(text, '.', size);
        size_t length = dot ? (size_t) (dot - text) : size;

        if ((dot != NULL) != (i + 1 < ELEMENTSOF(fields)) || !is_base64url(text, length) ||
            json_object_set_new(parts, fields[i], json_stringn(text, length)) < 0)
            return NULL;
        if (dot) {
            text = dot + 1;
            size -= length + 1;
        }
    }
    return json_incref(parts);
}

/* Copies the members that count: no header but the protected one does. */
static json_t *parts_from_json(const char *text, size_t size)
{
    json_auto_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *recipients = json_object_get(json, "recipients");
    json_auto_t *parts = json_object();

    if (!json || (recipients && json_array_size(recipients) != 1))
        return NULL;
    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        json_t *value = json_object_get(json, fields[i]);

        if (strcmp(fields[i], "encrypted_key") == 0) {
            if (recipients)
                value = json_object_get(json_array_get(recipients, 0), fields[i]);
            if (!value && json_object_set_new(parts, fields[i], json_string("")) == 0)
                continue;
        }
        if (!json_is_string(value) || !is_base64url(json_string_value(value), json_string_length(value)) ||
            json_object_set(parts, fields[i], value) < 0)
            return NULL;
    }
    return json_incref(parts);
}

int jwe_parse(const void *text, size_t size, struct jwe *ret, struct error *e)
{
    _cleanup_(jwe_done) struct jwe j = JWE_NULL;
    const char *p = text;

    while (size > 0 && strchr(" \t\r\n", p[size - 1]) && p[size - 1] != '\0')
        size--;
    j.parts = size > 0 && p[0] == '{' ? parts_from_json(p, size) : parts_from_compact(p, size);
    if (!j.parts)
        return error_set(e, -EINVAL, "this is no JWE in compact, flattened or general form");
    j.header = jose_b64_dec_load(json_object_get(j.parts, "protected"));
    if (!json_is_object(j.header))
        return error_set(e, -EINVAL, "the protected header of the JWE is damaged");
    *ret = j;
    j = JWE_NULL;
    return 0;
}

/* libjose puts what the algorithm needs (epk) into the unprotected header; clevis looks in the protected one only. */
static int wrap(json_t *jwe, json_t *header, const json_t *key, json_t *cek)
{
    const json_t *unprotected;

    if (!jose_jwe_enc_jwk(NULL, jwe, NULL, key, cek))
        return -EINVAL;
    unprotected = json_object_get(jwe, "header");
    if (unprotected && (json_object_update(header, (json_t *) unprotected) < 0 || json_object_del(jwe, "header") < 0))
        return -ENOMEM;
    return json_object_set(jwe, "protected", header) < 0 ? -ENOMEM : 0;
}

int jwe_seal(json_t *header, const json_t *key, const void *plaintext, size_t size, json_t **ret_parts)
{
    json_auto_t *jwe = json_object(), *cek = json_object(), *parts = json_object();
    int r;

    if (json_object_set_new(header, "enc", json_string(ENCRYPTION)) < 0 ||
        json_object_set_new(jwe, "protected", json_deep_copy(header)) < 0)
        return -ENOMEM;
    r = wrap(jwe, header, key, cek);
    if (r < 0)
        return r;
    if (!jose_jwe_enc_cek(NULL, jwe, cek, plaintext, size))
        return -EINVAL;
    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        const char *value = json_string_value(json_object_get(jwe, fields[i]));

        if (json_object_set_new(parts, fields[i], json_string(value ? value : "")) < 0)
            return -ENOMEM;
    }
    *ret_parts = json_incref(parts);
    return 0;
}

/* Straight into guarded memory: jose_jwe_dec() would leave copies behind. */
static int decrypt(const json_t *parts, const json_t *cek, struct secret *plaintext)
{
    const char *text = json_string_value(json_object_get(parts, "ciphertext"));
    jose_io_auto_t *buffer = NULL, *cipher = NULL, *decoder = NULL;
    size_t size = plaintext->size;

    buffer = jose_io_buffer(NULL, plaintext->data, &size);
    if (buffer)
        cipher = jose_jwe_dec_cek_io(NULL, parts, cek, buffer);
    if (cipher)
        decoder = jose_b64_dec_io(cipher);
    if (!decoder || !decoder->feed(decoder, text, strlen(text)) || !decoder->done(decoder))
        return -EKEYREJECTED;
    secret_truncate(plaintext, size);
    return 0;
}

int jwe_open(const struct jwe *j, const json_t *key, struct secret *ret)
{
    const char *encryption = json_string_value(json_object_get(j->header, "enc"));
    _cleanup_(secret_done) struct secret plaintext = SECRET_NULL;
    json_auto_t *cek = NULL;
    int r;

    /* what other encryptions and "zip" would drag in is of no use here */
    if (!encryption || strcmp(encryption, ENCRYPTION) != 0 || json_object_get(j->header, "zip"))
        return -EINVAL;
    cek = jose_jwe_dec_jwk(NULL, j->parts, NULL, key);
    if (!cek)
        return -EKEYREJECTED;
    r = secret_new(json_string_length(json_object_get(j->parts, "ciphertext")) + 1, &plaintext);
    if (r == 0)
        r = decrypt(j->parts, cek, &plaintext);
    if (r == 0)
        *ret = secret_take(&plaintext);
    return r;
}

char *jwe_compact(const json_t *parts)
{
    char *text = NULL;
    const char *v[ELEMENTSOF(fields)];

    for (size_t i = 0; i < ELEMENTSOF(fields); i++)
        v[i] = json_string_value(json_object_get(parts, fields[i]));
    return asprintf(&text, "%s.%s.%s.%s.%s", v[0], v[1], v[2], v[3], v[4]) < 0 ? NULL : text;
}

void jwe_done(struct jwe *j)
{
    json_decref(j->parts);
    json_decref(j->header);
    *j = JWE_NULL;
}
