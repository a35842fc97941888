/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Docker's stored keys: as anybody may have left the file, and with records that were sealed properly and are not as they should be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "docker/stored.h"
#include "keys/keyslots.h"
#include "keys/offline.h"
#include "keys/unlock_key.h"

#define HEAD "SWARMDK\x01\x0b/run/x.sock"
#define RECORDS_MAX (STORED_KEYS_MAX + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What opens is sound: it seals, and opens the same. */
static void check(const struct secret *blob, const struct secret *kek)
{
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 }, again = { .n = 0 };
    _cleanup_(secret_done) struct secret copy = SECRET_NULL, key = SECRET_NULL;
    char socket[ENGINE_SOCKET_MAX];

    if (stored_open(blob, kek, &keys) < 0)
        return;
    if (keys.n == 0 || keys.n > STORED_KEYS_MAX || stored_socket(blob, socket) < 0 || stored_seal(socket, &keys, kek, &copy) < 0 ||
        stored_open(&copy, kek, &again) < 0 || again.n != keys.n)
        abort();
    for (unsigned i = 0; i < keys.n; i++) {
        secret_done(&key);
        if (unlock_key_parse(keys.k[i].text.data, keys.k[i].text.size, &key) < 0 || again.k[i].generation != keys.k[i].generation ||
            again.k[i].started != keys.k[i].started || stored_keys_find(&again, &keys.k[i].text) < 0)
            abort();
    }
    if (stored_keys_add(&keys, &again.k[again.n - 1].text) < 0 || stored_keys_find(&keys, &again.k[again.n - 1].text) != 0)
        abort();
    stored_keys_started(&keys, 0);
    if (keys.n != 1)
        abort();
}

/* Each is a byte that says how long it is, and then that. */
static size_t split(const uint8_t *data, size_t size, struct secret records[static RECORDS_MAX])
{
    size_t n = 0;

    while (size > 0 && n < RECORDS_MAX) {
        size_t length = data[0] < size ? data[0] : size - 1;

        if (secret_copy(data + 1, length, &records[n++]) < 0)
            abort();
        data += 1 + length;
        size -= 1 + length;
    }
    return n;
}

static void check_records(const uint8_t *data, size_t size, const struct secret *kek)
{
    struct secret records[RECORDS_MAX] = { SECRET_NULL }, blob = SECRET_NULL;
    const struct secret *pointers[RECORDS_MAX];
    size_t sealed_size, n = split(data, size, records);
    void *sealed = NULL;

    for (size_t i = 0; i < n; i++)
        pointers[i] = &records[i];
    if (n > 0 && offline_seal(kek, pointers, n, &sealed, &sealed_size) == 0) {
        if (secret_new(sizeof(HEAD) - 1 + sealed_size, &blob) < 0)
            abort();
        memcpy(blob.data, HEAD, sizeof(HEAD) - 1);
        memcpy(blob.data + sizeof(HEAD) - 1, sealed, sealed_size);
        check(&blob, kek);
    }
    free(sealed);
    secret_done(&blob);
    for (size_t i = 0; i < n; i++)
        secret_done(&records[i]);
}

/* With a fixed key, under which the seed opens. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, blob = SECRET_NULL;

    if (secret_init() < 0 || secret_new(KEK_SIZE, &kek) < 0 || secret_copy(data, size, &blob) < 0)
        abort();
    check(&blob, &kek);
    check_records(data, size, &kek);
    return 0;
}
