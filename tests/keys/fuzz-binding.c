/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "keys/binding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max)
{
    size_t n = strnlen(text, max);

    if (n == max)
        abort();
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            abort();
}

static void describe(const char *token)
{
    char kind[KEYSLOT_KIND_MAX], binding[KEYSLOT_BINDING_MAX], pcrs[24];
    int r;

    memset(kind, 0xff, sizeof(kind));
    memset(binding, 0xff, sizeof(binding));
    memset(pcrs, 0xff, sizeof(pcrs));
    binding_describe(token, kind, binding);
    check_text(kind, sizeof(kind));
    check_text(binding, sizeof(binding));
    if (kind[0] == '\0' || strcmp(kind, "unlock-key") == 0 || strcmp(kind, "passphrase") == 0)
        abort();
    r = binding_tpm2_pcrs(token, pcrs, sizeof(pcrs));
    if (r == 0)
        check_text(pcrs, sizeof(pcrs));
    else if (r != -EINVAL && r != -EOPNOTSUPP)
        abort();
    if ((r == 0 || r == -EOPNOTSUPP) && strcmp(kind, "tpm2") != 0)
        abort();
}

/* The input as a token, then as the protected header of a clevis token: behind base64 nothing mutated would get. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "{\"type\":\"clevis\",\"keyslots\":[],\"jwe\":{\"protected\":\"", after[] = "\"}}";
    size_t digits = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    _cleanup_free_ char *token = malloc(size + 1), *wrapped = malloc(sizeof(before) + digits + sizeof(after));

    if (!token || !wrapped || sodium_init() < 0)
        abort();
    memcpy(token, data, size);
    token[size] = '\0';
    describe(token);
    (void) strcpy(wrapped, before);
    (void) sodium_bin2base64(wrapped + strlen(before), digits, data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void) strcat(wrapped, after);
    describe(wrapped);
    return 0;
}
