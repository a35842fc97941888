/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever comes in, nothing that could steer a terminal comes out, and what is clean stays as it is. */
#include <stdint.h>
#include <string.h>

#include "basic/cleanup.h"
#include "ctl/escape.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum escape how = ESCAPE_TEXT; how <= ESCAPE_JSON; how++) {
        _cleanup_free_ char *text = escape((const char *) data, size, how);

        CHECK(text);
        CHECK(escape_is_clean(text, strlen(text), how));
        if (escape_is_clean((const char *) data, size, how) && !memchr(data, 0, size))
            CHECK(strlen(text) == size && memcmp(text, data, size) == 0);
    }
    return 0;
}
