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
static void as_plaintext(char version, const uint8_t *data, size_t size, const struct secret *kek)
{
    char context[] = "swarm-manager key bundle, version ?";
    const size_t header = version == 1 ? 40 : 56;
    _cleanup_(secret_done) struct secret blob = SECRET_NULL, again = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    unsigned char key[32];

    if (secret_new(header + size + 16, &blob) < 0)
        abort();
    context[strlen(context) - 1] = (char) ('0' + version);
    memcpy(blob.data, "SWARMKB", 7);
    blob.data[7] = (unsigned char) version;
    for (int i = 0; i < 4; i++)
        blob.data[12 + i] = (unsigned char) ((size + 16) >> (8 * i));
    (void) crypto_generichash(key, 32, (const unsigned char *) context, strlen(context), kek->data, kek->size);
    (void) crypto_aead_xchacha20poly1305_ietf_encrypt(blob.data + header, NULL, data, size, blob.data, header, NULL, blob.data + 16, key);
    if (bundle_unseal(&blob, kek, &b) == 0 && bundle_seal(b, kek, true, &again) < 0)
        abort(); /* what is taken can be sealed again */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, blob = SECRET_NULL, found = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    unsigned char uuid[BUNDLE_UUID_SIZE];
    bool has_kek = false;

    if (secret_init() < 0 || secret_new(KEK_SIZE, &kek) < 0)
        abort();
    if (secret_copy(data, size, &blob) < 0)
        return 0;
    if (bundle_embedded_kek(&blob, &has_kek, &found) == 0 && has_kek != (found.data != NULL))
        abort();
    (void) bundle_names_header(&blob, uuid);
    (void) bundle_unseal(&blob, found.data ? &found : &kek, &b);
    if (size > 0)
        as_plaintext(data[0] & 1 ? 1 : 2, data, size, &kek);
    return 0;
}
