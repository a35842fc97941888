/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parser takes is what the formatter gives back, but for one final newline. */
#include <stdint.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "pki/join_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret half = SECRET_NULL, text = SECRET_NULL;
    unsigned char digest[JOIN_TOKEN_DIGEST_SIZE];

    CHECK_OK(secret_init());
    if (join_token_parse(data, size, digest, &half) < 0)
        return 0;
    CHECK_OK(join_token_format(digest, &half, &text));
    CHECK(size == text.size || (size == text.size + 1 && data[text.size] == '\n'));
    CHECK(memcmp(data, text.data, text.size) == 0);
    return 0;
}
