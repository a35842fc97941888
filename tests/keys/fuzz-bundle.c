/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keys/bundle.h"
#include "keys/keyslots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The blob as it comes, then the input as what stands sealed in a rightly made one: past the seal decoding must hold by itself. */
static void as_plaintext(const uint8_t *data, size_t size, const struct secret *kek)
{
    static const char context[] = "swarm-manager key bundle, version 1";
    _cleanup_(secret_done) struct secret blob = SECRET_NULL, again = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    unsigned char key[32];

    if (secret_new(40 + size + 16, &blob) < 0)
        abort();
    memcpy(blob.data, "SWARMKB\1", 8);
    for (int i = 0; i < 4; i++)
        blob.data[12 + i] = (unsigned char) ((size + 16) >> (8 * i));
    (void) crypto_generichash(key, 32, (const unsigned char *) context, strlen(context), kek->data, kek->size);
    (void) crypto_aead_xchacha20poly1305_ietf_encrypt(blob.data + 40, NULL, data, size, blob.data, 40, NULL, blob.data + 16, key);
    if (bundle_unseal(&blob, kek, &b) == 0 && bundle_seal(b, kek, true, &again) < 0)
        abort(); /* what is taken can be sealed again */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, blob = SECRET_NULL, found = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    bool has_kek = false;

    if (secret_init() < 0 || secret_new(KEK_SIZE, &kek) < 0)
        abort();
    if (secret_copy(data, size, &blob) < 0)
        return 0;
    if (bundle_embedded_kek(&blob, &has_kek, &found) == 0 && has_kek != (found.data != NULL))
        abort();
    (void) bundle_unseal(&blob, found.data ? &found : &kek, &b);
    if (size > 0)
        as_plaintext(data, size, &kek);
    return 0;
}
