/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "raft/wire_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is found does not hang on how the bytes come. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_check whole, parts;
    size_t step = size > 0 ? 1 + data[0] % 37 : 1, at;
    int r, s = 0;

    whole = (struct wire_check) { 0 };
    parts = (struct wire_check) { 0 };
    r = wire_check_feed(&whole, data, size);
    for (at = 0; at < size && s == 0; at += step)
        s = wire_check_feed(&parts, data + at, size - at < step ? size - at : step);
    if (r != s || (r != 0 && r != -EBADMSG && r != -EMSGSIZE))
        abort();
    if (r == 0 && (whole.have != parts.have || whole.payload != parts.payload || memcmp(whole.head, parts.head, whole.have) != 0))
        abort();
    if (wire_check_feed(&whole, data, 0) != r)
        abort();
    return 0;
}
