/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ask/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request r;
    size_t n;

    if (request_parse(data, size, &r) < 0)
        return 0;
    n = strlen(r.message);
    if (n == 0 || n != size - ASK_REQUEST_HEAD || memcmp(r.message, data + ASK_REQUEST_HEAD, n) != 0)
        abort();
    for (size_t i = 0; i < n; i++)
        if ((unsigned char) r.message[i] < ' ' || r.message[i] == 0x7f)
            abort();
    return 0;
}
