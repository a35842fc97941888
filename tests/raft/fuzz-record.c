/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "raft/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is in a record, under a key that is known, nothing but what was sealed opens. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned char key[1][KEYRING_KEY_SIZE] = { { 5 } };
    const struct record_place place = { RECORD_ENTRY, 1, 2, 3 };
    const struct envelope envelope = { 2, 3, 1, "12345678", 8 };
    const uint32_t ids[1] = { 1 };
    static struct keyring *keyring;
    unsigned char *copy = malloc(size ? size : 1);
    size_t plain_size;
    uint32_t id;
    void *plain;

    if (!keyring) {
        keyring = keyring_new();
        if (!keyring || keyring_set(keyring, ids, key, 1, 1) < 0)
            abort();
    }
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    (void) record_peek(copy, size, &id);
    if (record_open(keyring, &place, copy, size, &plain, &plain_size) == 0)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    if (envelope_open(keyring, &envelope, copy, size, &plain, &plain_size) == 0)
        abort();
    free(copy);
    return 0;
}
