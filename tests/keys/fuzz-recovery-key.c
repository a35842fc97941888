/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "keys/recovery_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What is taken has the input's letters in the input's order, and is taken as it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL, again = SECRET_NULL;
    size_t at = 0;

    if (secret_init() < 0)
        abort();
    if (recovery_key_normalise(data, size, &text) < 0)
        return 0;
    if (text.size != RECOVERY_KEY_TEXT_LEN)
        abort();
    for (size_t i = 0; i < size; i++) {
        if (!is_letter(data[i]))
            continue;
        at += text.data[at] == '-';
        if (text.data[at++] != (data[i] | 0x20))
            abort();
    }
    if (at != RECOVERY_KEY_TEXT_LEN || recovery_key_normalise(text.data, text.size, &again) < 0 ||
        memcmp(again.data, text.data, text.size) != 0)
        abort();
    return 0;
}
