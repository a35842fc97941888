/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker's file of offline copies as anybody may have left it. */
#include <stdint.h>
#include <stdlib.h>

#include "keys/keyslots.h"
#include "keys/offline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *data, size_t i, struct secret *record)
{
    (void) data;
    return i > 1 || record->size != i ? -1 : 0;
}

/* With a fixed key, under which the seed opens: what opens is what was sealed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct secret kek = SECRET_NULL;
    int r;

    if (secret_init() < 0 || secret_new(KEK_SIZE, &kek) < 0)
        abort();
    r = offline_open(&kek, data, size, take, NULL);
    secret_done(&kek);
    if (r > 0)
        abort();
    return 0;
}
