/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "keys/unlock_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken is a key, and its text differs from the input at most in the last character. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, text = SECRET_NULL, again = SECRET_NULL;

    if (secret_init() < 0)
        abort();
    if (unlock_key_parse(data, size, &key) < 0)
        return 0;
    if (unlock_key_format(&key, &text) < 0 || memcmp(text.data, data, UNLOCK_KEY_TEXT_LEN - 1) != 0)
        abort();
    if (unlock_key_parse(text.data, text.size, &again) < 0 || memcmp(again.data, key.data, UNLOCK_KEY_SIZE) != 0)
        abort();
    return 0;
}
