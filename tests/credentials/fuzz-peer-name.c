/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The address of whoever connects to the socket of credentials: anything of root's choice. */
#include <stdint.h>

#include "credentials/peer_name.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peer_name name;
    char again[2 + 6 + sizeof(name)];
    int n;

    if (peer_name_parse(data, size, &name) < 0)
        return 0;
    CHECK(name.unit[0] && name.credential[0] && !strchr(name.unit, '/') && !strchr(name.credential, '/'));
    again[0] = '\0';
    n = snprintf(again + 1, sizeof(again) - 1, "0/unit/%s/%s", name.unit, name.credential);
    CHECK(n > 0 && (size_t) n + 1 <= size && memcmp(again + 2, data + size - (size_t) n + 1, (size_t) n - 1) == 0);
    return 0;
}
