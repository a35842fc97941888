/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/record.h"

#include <errno.h>
#include <sodium.h>

#include "raft/bytes.h"

#define VERSION 1

#define AT_VERSION 3
#define AT_KEY 4
#define AT_NONCE 8
#define AT_TAG 32

#define PLACE_SIZE 26 /* the first 8 bytes of the header, then kind, type, index and term */

_Static_assert(AT_NONCE + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == AT_TAG, "the nonce fills its field");
_Static_assert(AT_TAG + crypto_aead_xchacha20poly1305_ietf_ABYTES == RECORD_HEADER_SIZE, "the tag fills its field");
_Static_assert(KEYRING_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "a DEK is one key");

static const unsigned char magic[AT_VERSION] = { 'S', 'W', 'R' };

static void bind_place(const struct record_place *place, const unsigned char *header, unsigned char out[static PLACE_SIZE])
{
    memcpy(out, header, AT_NONCE);
    out[8] = place->kind;
    out[9] = place->type;
    put_u64(out + 10, place->index);
    put_u64(out + 18, place->term);
}

int record_seal(const struct keyring *k, const struct record_place *place, const void *plain, size_t size, void *out)
{
    const unsigned char *key = keyring_find(k, keyring_active(k));
    unsigned char bound[PLACE_SIZE], *header = out;

    if (size % 8 != 0)
        return -EINVAL;
    if (!key)
        return -ENOKEY;
    memcpy(header, magic, sizeof(magic));
    header[AT_VERSION] = VERSION;
    put_u32(header + AT_KEY, keyring_active(k));
    randombytes_buf(header + AT_NONCE, AT_TAG - AT_NONCE);
    bind_place(place, header, bound);
    (void) crypto_aead_xchacha20poly1305_ietf_encrypt_detached(header + RECORD_HEADER_SIZE, header + AT_TAG, NULL, plain, size,
                                                               bound, sizeof(bound), NULL, header + AT_NONCE, key);
    return 0;
}

int record_peek(const void *record, size_t size, uint32_t *ret_id)
{
    const unsigned char *header = record;

    if (size <= AT_VERSION || memcmp(header, magic, sizeof(magic)) != 0 || header[AT_VERSION] == 0)
        return -EBADMSG;
    if (header[AT_VERSION] > VERSION)
        return -EPROTONOSUPPORT;
    if (size < RECORD_HEADER_SIZE || size % 8 != 0)
        return -EBADMSG;
    *ret_id = get_u32(header + AT_KEY);
    return 0;
}

int record_open(const struct keyring *k, const struct record_place *place, void *record, size_t size, void **ret_plain, size_t *ret_size)
{
    unsigned char bound[PLACE_SIZE], *header = record;
    const unsigned char *key;
    uint32_t id;
    int r;

    r = record_peek(record, size, &id);
    if (r < 0)
        return r;
    key = keyring_find(k, id);
    if (!key)
        return -ENOKEY;
    bind_place(place, header, bound);
    size -= RECORD_HEADER_SIZE;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(header + RECORD_HEADER_SIZE, NULL, header + RECORD_HEADER_SIZE, size,
                                                            header + AT_TAG, bound, sizeof(bound), header + AT_NONCE, key) < 0)
        return -EBADMSG;
    *ret_plain = header + RECORD_HEADER_SIZE;
    *ret_size = size;
    return 0;
}
