/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/bundle.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "keys/keyslots.h"

/* docs/FORMATS.md "Key bundle" */
#define MAGIC "SWARMKB"
#define MAGIC_SIZE 7
#define VERSION 2
#define FLAG_KEK 1U
#define AT_VERSION 7
#define AT_FLAGS 8
#define AT_SEALED_SIZE 12
#define AT_NONCE 16
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES
#define AT_UUID (AT_NONCE + NONCE_SIZE)
#define PLAIN_MAX (PLAIN_FIXED + BUNDLE_DEKS_MAX * (4 + DEK_SIZE) + BUNDLE_TLS_KEY_MAX)
#define HEADER_SIZE (AT_UUID + BUNDLE_UUID_SIZE)
#define PLAIN_FIXED 24

/* What differs between the versions. */
struct layout {
    size_t header, fixed;
    const char *context;
};

static const struct layout layouts[VERSION + 1] = {
    [1] = { AT_UUID, 20, "swarm-manager key bundle, version 1" },
    [2] = { HEADER_SIZE, PLAIN_FIXED, "swarm-manager key bundle, version 2" },
};

static_assert(HEADER_SIZE + KEK_SIZE + PLAIN_MAX + TAG_SIZE <= BUNDLE_SEALED_MAX, "the largest bundle fits");
static_assert(sizeof(struct bundle) % _Alignof(struct bundle) == 0, "sodium_malloc aligns the end");

struct bundle *bundle_new(void)
{
    struct bundle *b = sodium_malloc(sizeof(*b));

    if (b)
        memset(b, 0, sizeof(*b));
    return b;
}

struct bundle *bundle_copy(const struct bundle *b)
{
    struct bundle *copy = bundle_new();

    if (copy)
        *copy = *b;
    return copy;
}

void bundle_free(struct bundle *b)
{
    sodium_free(b);
}

static uint32_t next_id(const struct bundle *b)
{
    uint32_t id = 0;

    for (uint32_t i = 0; i < b->n_deks; i++)
        if (b->deks[i].id > id)
            id = b->deks[i].id;
    return id + 1;
}

int bundle_add_dek(struct bundle *b)
{
    uint32_t id = next_id(b);

    /* An id that wrapped around could be one that old records still name. */
    if (b->n_deks >= BUNDLE_DEKS_MAX || id == 0)
        return -ENOSPC;
    b->deks[b->n_deks].id = id;
    randombytes_buf(b->deks[b->n_deks].key, DEK_SIZE);
    b->n_deks++;
    b->active_dek = id;
    return 0;
}

void bundle_drop_old_deks(struct bundle *b)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < b->n_deks; i++)
        if (b->deks[i].id == b->active_dek) {
            if (i != kept)
                memcpy(&b->deks[kept], &b->deks[i], sizeof(b->deks[0]));
            kept++;
        }
    sodium_memzero(&b->deks[kept], (BUNDLE_DEKS_MAX - kept) * sizeof(b->deks[0]));
    b->n_deks = kept;
}

/* The ids are distinct and not 0, the active one is among them; a bundle without DEKs has no active one. */
static bool valid(const struct bundle *b)
{
    bool active = b->n_deks == 0 && b->active_dek == 0;

    if (b->n_deks > BUNDLE_DEKS_MAX || b->tls_key_size > BUNDLE_TLS_KEY_MAX)
        return false;
    for (uint32_t i = 0; i < b->n_deks; i++) {
        if (b->deks[i].id == 0)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (b->deks[i].id == b->deks[j].id)
                return false;
        active = active || b->deks[i].id == b->active_dek;
    }
    return active;
}

static unsigned char *put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char) (v >> (8 * i));
    return p + 4;
}

static unsigned char *put64(unsigned char *p, uint64_t v)
{
    return put32(put32(p, (uint32_t) v), (uint32_t) (v >> 32));
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t) get32(p + 4) << 32;
}

static int encode(const struct bundle *b, struct secret *ret)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;
    unsigned char *p;
    int r;

    if (!valid(b))
        return -EINVAL;
    r = secret_new(PLAIN_FIXED + b->n_deks * (4 + DEK_SIZE) + b->tls_key_size, &s);
    if (r < 0)
        return r;
    p = put64(s.data, b->header_sequence);
    p = put32(p, b->active_dek);
    p = put32(p, b->n_deks);
    p = put32(p, b->tls_key_size);
    p = put32(p, b->rekeyed);
    for (uint32_t i = 0; i < b->n_deks; i++) {
        p = put32(p, b->deks[i].id);
        memcpy(p, b->deks[i].key, DEK_SIZE);
        p += DEK_SIZE;
    }
    memcpy(p, b->tls_key, b->tls_key_size);
    *ret = secret_take(&s);
    return 0;
}

static int decode(const struct secret *s, const struct layout *layout, struct bundle **ret)
{
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    const unsigned char *p = s->data;

    if (s->size < layout->fixed)
        return -EBADMSG;
    b = bundle_new();
    if (!b)
        return -ENOMEM;
    b->header_sequence = get64(p);
    b->active_dek = get32(p + 8);
    b->n_deks = get32(p + 12);
    b->tls_key_size = get32(p + 16);
    if (layout->fixed == PLAIN_FIXED)
        b->rekeyed = get32(p + 20);
    p += layout->fixed;
    if (b->n_deks > BUNDLE_DEKS_MAX || b->tls_key_size > BUNDLE_TLS_KEY_MAX ||
        s->size != layout->fixed + b->n_deks * (4 + DEK_SIZE) + b->tls_key_size)
        return -EBADMSG;
    for (uint32_t i = 0; i < b->n_deks; i++) {
        b->deks[i].id = get32(p);
        memcpy(b->deks[i].key, p + 4, DEK_SIZE);
        p += 4 + DEK_SIZE;
    }
    memcpy(b->tls_key, p, b->tls_key_size);
    if (!valid(b))
        return -EBADMSG;
    *ret = TAKE_PTR(b);
    return 0;
}

static int derive(const struct secret *kek, const struct layout *layout, struct secret *ret)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    int r;

    if (kek->size != KEK_SIZE)
        return -EINVAL;
    r = secret_new(crypto_aead_xchacha20poly1305_ietf_KEYBYTES, &key);
    if (r < 0)
        return r;
    (void) crypto_generichash(key.data, key.size, (const unsigned char *) layout->context, strlen(layout->context), kek->data,
                              kek->size);
    *ret = secret_take(&key);
    return 0;
}

int bundle_seal(const struct bundle *b, const struct secret *kek, bool with_kek, struct secret *ret_blob)
{
    _cleanup_(secret_done) struct secret plain = SECRET_NULL, key = SECRET_NULL, blob = SECRET_NULL;
    size_t before = HEADER_SIZE + (with_kek ? KEK_SIZE : 0);
    int r = derive(kek, &layouts[VERSION], &key);

    if (r == 0)
        r = encode(b, &plain);
    if (r == 0)
        r = secret_new(before + plain.size + TAG_SIZE, &blob);
    if (r < 0)
        return r;
    memcpy(blob.data, MAGIC, MAGIC_SIZE);
    blob.data[AT_VERSION] = VERSION;
    (void) put32(blob.data + AT_FLAGS, with_kek ? FLAG_KEK : 0);
    (void) put32(blob.data + AT_SEALED_SIZE, (uint32_t) (plain.size + TAG_SIZE));
    randombytes_buf(blob.data + AT_NONCE, NONCE_SIZE);
    memcpy(blob.data + AT_UUID, b->header_uuid, BUNDLE_UUID_SIZE);
    if (with_kek)
        memcpy(blob.data + HEADER_SIZE, kek->data, KEK_SIZE);
    (void) crypto_aead_xchacha20poly1305_ietf_encrypt(blob.data + before, NULL, plain.data, plain.size, blob.data, HEADER_SIZE, NULL,
                                                      blob.data + AT_NONCE, key.data);
    *ret_blob = secret_take(&blob);
    return 0;
}

/* Checks the clear header; where the sealed part begins: behind the header and the KEK, if there is one. */
static int check_header(const struct secret *blob, const struct layout **ret_layout, size_t *ret_sealed)
{
    const struct layout *layout;
    uint32_t flags;
    size_t sealed;

    if (blob->size <= AT_VERSION || memcmp(blob->data, MAGIC, MAGIC_SIZE) != 0 || blob->data[AT_VERSION] == 0)
        return -EBADMSG;
    if (blob->data[AT_VERSION] > VERSION)
        return -EPROTONOSUPPORT;
    layout = &layouts[blob->data[AT_VERSION]];
    if (blob->size < layout->header || blob->size > BUNDLE_SEALED_MAX)
        return -EBADMSG;
    flags = get32(blob->data + AT_FLAGS);
    if (flags & ~FLAG_KEK)
        return -EBADMSG;
    sealed = layout->header + (flags & FLAG_KEK ? KEK_SIZE : 0);
    if (blob->size < sealed + TAG_SIZE || get32(blob->data + AT_SEALED_SIZE) != blob->size - sealed)
        return -EBADMSG;
    *ret_layout = layout;
    *ret_sealed = sealed;
    return 0;
}

int bundle_embedded_kek(const struct secret *blob, bool *ret_has_kek, struct secret *ret_kek)
{
    const struct layout *layout;
    size_t sealed;
    int r = check_header(blob, &layout, &sealed);

    if (r == 0 && ret_kek && sealed > layout->header)
        r = secret_copy(blob->data + layout->header, KEK_SIZE, ret_kek);
    if (r == 0)
        *ret_has_kek = sealed > layout->header;
    return r;
}

int bundle_names_header(const struct secret *blob, unsigned char ret_uuid[static BUNDLE_UUID_SIZE])
{
    const struct layout *layout;
    size_t sealed;
    int r = check_header(blob, &layout, &sealed);

    if (r < 0)
        return r;
    if (layout->header < HEADER_SIZE || sodium_is_zero(blob->data + AT_UUID, BUNDLE_UUID_SIZE))
        return 0;
    memcpy(ret_uuid, blob->data + AT_UUID, BUNDLE_UUID_SIZE);
    return 1;
}

int bundle_unseal(const struct secret *blob, const struct secret *kek, struct bundle **ret)
{
    _cleanup_(secret_done) struct secret plain = SECRET_NULL, key = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    const struct layout *layout;
    size_t sealed;
    int r = check_header(blob, &layout, &sealed);

    if (r == 0)
        r = derive(kek, layout, &key);
    if (r == 0)
        r = secret_new(blob->size - sealed - TAG_SIZE, &plain);
    if (r < 0)
        return r;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data, NULL, NULL, blob->data + sealed, blob->size - sealed, blob->data,
                                                   layout->header, blob->data + AT_NONCE, key.data) < 0)
        return -EKEYREJECTED;
    r = decode(&plain, layout, &b);
    if (r < 0)
        return r;
    (void) bundle_names_header(blob, b->header_uuid);
    *ret = TAKE_PTR(b);
    return 0;
}
