/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>

#include "keys/bundle.h"
#include "keys/keyslots.h"
#include "test.h"

#define HEADER_SIZE 56
#define HEADER_SIZE_1 40

static struct secret kek;

static struct bundle *sample(unsigned deks, uint32_t tls_key_size)
{
    struct bundle *b = bundle_new();

    CHECK(b);
    b->header_sequence = UINT64_C(0x0102030405060708);
    b->rekeyed = 0x11223344;
    randombytes_buf(b->header_uuid, sizeof(b->header_uuid));
    for (unsigned i = 0; i < deks; i++)
        CHECK_OK(bundle_add_dek(b));
    b->tls_key_size = tls_key_size;
    randombytes_buf(b->tls_key, tls_key_size);
    return b;
}

static bool same(const struct bundle *a, const struct bundle *b)
{
    if (a->header_sequence != b->header_sequence || a->rekeyed != b->rekeyed ||
        memcmp(a->header_uuid, b->header_uuid, sizeof(a->header_uuid)) != 0 || a->active_dek != b->active_dek || a->n_deks != b->n_deks ||
        a->tls_key_size != b->tls_key_size || memcmp(a->tls_key, b->tls_key, a->tls_key_size) != 0)
        return false;
    for (unsigned i = 0; i < a->n_deks; i++)
        if (a->deks[i].id != b->deks[i].id || memcmp(a->deks[i].key, b->deks[i].key, DEK_SIZE) != 0)
            return false;
    return true;
}

static void test_round_trip(void)
{
    static const struct {
        unsigned deks;
        uint32_t tls_key_size;
    } shapes[] = { { 0, 0 }, { 1, 0 }, { 1, 138 }, { BUNDLE_DEKS_MAX, BUNDLE_TLS_KEY_MAX } };

    for (unsigned i = 0; i < 2 * ELEMENTSOF(shapes); i++) {
        _cleanup_(bundle_freep) struct bundle *b = sample(shapes[i / 2].deks, shapes[i / 2].tls_key_size), *back = NULL;
        _cleanup_(secret_done) struct secret blob = SECRET_NULL, found = SECRET_NULL;
        bool with_kek = i % 2, has_kek = !with_kek;
        unsigned char uuid[BUNDLE_UUID_SIZE] = { 0 };

        CHECK_OK(bundle_seal(b, &kek, with_kek, &blob));
        CHECK(blob.size <= BUNDLE_SEALED_MAX);
        CHECK_OK(bundle_embedded_kek(&blob, &has_kek, NULL));
        CHECK(has_kek == with_kek);
        CHECK(bundle_names_header(&blob, uuid) == 1 && memcmp(uuid, b->header_uuid, sizeof(uuid)) == 0);
        CHECK_OK(bundle_embedded_kek(&blob, &has_kek, &found));
        CHECK(with_kek ? found.size == KEK_SIZE && memcmp(found.data, kek.data, KEK_SIZE) == 0 : !found.data);
        CHECK_OK(bundle_unseal(&blob, &kek, &back));
        CHECK(same(b, back));
    }
}

static bool contains(const struct secret *blob, const void *bytes, size_t n)
{
    return memmem(blob->data, blob->size, bytes, n);
}

static void test_secrecy(void)
{
    _cleanup_(bundle_freep) struct bundle *b = sample(2, 138), *back = NULL;
    _cleanup_(secret_done) struct secret one = SECRET_NULL, two = SECRET_NULL, other = SECRET_NULL;

    CHECK_OK(bundle_seal(b, &kek, false, &one));
    CHECK_OK(bundle_seal(b, &kek, false, &two));
    CHECK(memcmp(one.data + 16, two.data + 16, 24) != 0); /* the nonce */
    CHECK(!contains(&one, b->deks[0].key, 8) && !contains(&one, b->tls_key, 8) && !contains(&one, kek.data, 8));
    CHECK_OK(secret_random(KEK_SIZE, &other));
    CHECK(bundle_unseal(&one, &other, &back) == -EKEYREJECTED && !back);
    CHECK_OK(secret_copy(kek.data, KEK_SIZE, &two));
    two.data[KEK_SIZE - 1] ^= 1; /* all 64 bytes count */
    CHECK(bundle_unseal(&one, &two, &back) == -EKEYREJECTED && !back);
    secret_truncate(&two, 32);
    CHECK(bundle_unseal(&one, &two, &back) == -EINVAL && !back);
    CHECK(bundle_seal(b, &two, false, &other) == -EINVAL);
}

/* The formats as docs/FORMATS.md has them, sealed here with libsodium's calls only. */
static size_t seal_by_hand(char version, const unsigned char *plain, size_t size, unsigned char *blob)
{
    char context[] = "swarm-manager key bundle, version ?";
    size_t header = version == 1 ? HEADER_SIZE_1 : HEADER_SIZE;
    unsigned char key[32];
    uint32_t sealed = (uint32_t) size + 16;

    context[strlen(context) - 1] = (char) ('0' + version);
    memcpy(blob, "SWARMKB\1\0\0\0\0", 12);
    blob[7] = (unsigned char) version;
    for (int i = 0; i < 4; i++)
        blob[12 + i] = (unsigned char) (sealed >> (8 * i));
    memset(blob + 16, 7, 24);
    memset(blob + 40, 9, header - 40);
    CHECK_OK(crypto_generichash(key, 32, (const unsigned char *) context, strlen(context), kek.data, KEK_SIZE));
    CHECK_OK(crypto_aead_xchacha20poly1305_ietf_encrypt(blob + header, NULL, plain, size, blob, header, NULL, blob + 16, key));
    return header + size + 16;
}

static int unseal_version(char version, const unsigned char *plain, size_t size, struct bundle **ret)
{
    static unsigned char bytes[BUNDLE_SEALED_MAX];
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    unsigned char uuid[BUNDLE_UUID_SIZE];

    CHECK_OK(secret_copy(bytes, seal_by_hand(version, plain, size, bytes), &blob));
    CHECK(bundle_names_header(&blob, uuid) == (version == 2));
    return bundle_unseal(&blob, &kek, ret);
}

static int unseal_by_hand(const unsigned char *plain, size_t size)
{
    _cleanup_(bundle_freep) struct bundle *b = NULL;

    return unseal_version(2, plain, size, &b);
}

/* What the first version sealed opens, and names no header; none of one version opens as one of the other. */
static void test_versions(void)
{
    _cleanup_(bundle_freep) struct bundle *one = NULL, *two = NULL, *zero = sample(1, 5), *none = NULL;
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    unsigned char plain[24 + 36 + 5] = { 1 }, uuid[BUNDLE_UUID_SIZE];

    plain[8] = plain[12] = 1;
    plain[16] = 5;
    plain[20] = 1; /* the DEK's id, in the first version */
    CHECK_OK(unseal_version(1, plain, 20 + 36 + 5, &one));
    CHECK(one->header_sequence == 1 && one->rekeyed == 0 && one->deks[0].id == 1 && one->tls_key_size == 5);
    CHECK(sodium_is_zero(one->header_uuid, sizeof(one->header_uuid)));
    plain[20] = 77; /* how often rekeyed, in the second */
    plain[24] = 1;
    CHECK_OK(unseal_version(2, plain, sizeof(plain), &two));
    CHECK(two->rekeyed == 77 && two->deks[0].id == 1 && two->header_uuid[0] == 9 && two->header_uuid[15] == 9);

    CHECK_OK(bundle_seal(zero, &kek, false, &blob));
    blob.data[7] = 1;
    CHECK(bundle_unseal(&blob, &kek, &none) == -EBADMSG && !none);
    secret_done(&blob);
    memset(zero->header_uuid, 0, sizeof(zero->header_uuid));
    CHECK_OK(bundle_seal(zero, &kek, false, &blob));
    CHECK(bundle_names_header(&blob, uuid) == 0);
}

/* Rightly sealed, wrongly filled: one fixed part of 24 bytes and two DEKs of 36. */
static void test_strict(void)
{
    unsigned char good[24 + 2 * 36 + 5] = { 0 }, p[sizeof(good) + 1];

    good[8] = 9;
    good[12] = 2;
    good[16] = 5;
    good[24] = 9;
    good[60] = 3;
    CHECK_OK(unseal_by_hand(good, sizeof(good)));

    static const struct {
        size_t at;
        unsigned char value;
    } wrong[] = {
        { 8, 1 },   /* active id that is none of them */
        { 8, 0 },
        { 12, 1 },  /* fewer DEKs than bytes */
        { 12, 3 },
        { 12, 9 },
        { 15, 1 },  /* very many */
        { 16, 4 },  /* TLS key of another size */
        { 16, 6 },
        { 19, 255 },
        { 24, 0 },  /* id 0 */
        { 60, 9 },  /* the same id twice */
    };
    for (unsigned i = 0; i < ELEMENTSOF(wrong); i++) {
        memcpy(p, good, sizeof(good));
        p[wrong[i].at] = wrong[i].value;
        CHECK(unseal_by_hand(p, sizeof(good)) == -EBADMSG);
    }
    memcpy(p, good, sizeof(good));
    p[sizeof(good)] = 0;
    CHECK(unseal_by_hand(p, sizeof(good) + 1) == -EBADMSG);
    for (size_t n = 0; n < sizeof(good); n++)
        CHECK(unseal_by_hand(good, n) == -EBADMSG);
}

/* Every bit, and every length: refused, for one of the documented reasons, and never another bundle. */
static void test_damage(void)
{
    _cleanup_(bundle_freep) struct bundle *b = sample(2, 100), *back = NULL;
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;

    CHECK_OK(bundle_seal(b, &kek, true, &blob));
    for (size_t bit = 0; bit < blob.size * 8; bit++) {
        size_t at = bit / 8;
        int r;

        blob.data[at] ^= (unsigned char) (1U << bit % 8);
        r = bundle_unseal(&blob, &kek, &back);
        if (at >= HEADER_SIZE && at < HEADER_SIZE + KEK_SIZE) {
            CHECK_OK(r); /* the embedded KEK was not what we opened it with */
            bundle_free(back);
            back = NULL;
        } else {
            CHECK(r == -EKEYREJECTED || r == -EBADMSG || (at == 7 && r == -EPROTONOSUPPORT));
        }
        CHECK(!back);
        blob.data[at] ^= (unsigned char) (1U << bit % 8);
    }
    for (size_t n = 0; n < blob.size; n++) {
        _cleanup_(secret_done) struct secret cut = SECRET_NULL;
        bool has_kek;

        CHECK_OK(secret_copy(blob.data, n, &cut));
        CHECK(bundle_unseal(&cut, &kek, &back) == -EBADMSG);
        CHECK(bundle_embedded_kek(&cut, &has_kek, NULL) == -EBADMSG);
    }
    blob.data[7] = 3;
    CHECK(bundle_unseal(&blob, &kek, &back) == -EPROTONOSUPPORT);
}

static void test_wrong_keys(void)
{
    _cleanup_(bundle_freep) struct bundle *b = sample(1, 100), *back = NULL;
    _cleanup_(secret_done) struct secret blob = SECRET_NULL, wrong = SECRET_NULL;

    CHECK_OK(bundle_seal(b, &kek, false, &blob));
    CHECK_OK(secret_copy(kek.data, kek.size, &wrong));
    for (size_t bit = 0; bit < kek.size * 8; bit++) { /* as near as can be */
        wrong.data[bit / 8] ^= (unsigned char) (1U << bit % 8);
        CHECK(bundle_unseal(&blob, &wrong, &back) == -EKEYREJECTED && !back);
        wrong.data[bit / 8] ^= (unsigned char) (1U << bit % 8);
    }
    for (unsigned i = 0; i < 20000; i++) {
        randombytes_buf(wrong.data, wrong.size);
        CHECK(bundle_unseal(&blob, &wrong, &back) == -EKEYREJECTED && !back);
    }
}

static void test_deks(void)
{
    _cleanup_(bundle_freep) struct bundle *b = sample(BUNDLE_DEKS_MAX, 0);
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    struct dek last;

    CHECK(b->active_dek == BUNDLE_DEKS_MAX && b->n_deks == BUNDLE_DEKS_MAX);
    CHECK(bundle_add_dek(b) == -ENOSPC && b->active_dek == BUNDLE_DEKS_MAX);
    last = b->deks[BUNDLE_DEKS_MAX - 1];
    bundle_drop_old_deks(b);
    CHECK(b->n_deks == 1 && b->deks[0].id == last.id && memcmp(b->deks[0].key, last.key, DEK_SIZE) == 0);
    CHECK(sodium_is_zero((unsigned char *) &b->deks[1], sizeof(b->deks) - sizeof(b->deks[0])));
    CHECK_OK(bundle_add_dek(b));
    CHECK(b->active_dek == last.id + 1); /* an id never comes again */
    b->deks[1].id = b->active_dek = UINT32_MAX;
    CHECK(bundle_add_dek(b) == -ENOSPC);
    b->active_dek = 77;
    CHECK(bundle_seal(b, &kek, false, &blob) == -EINVAL && !blob.data);
}

int main(void)
{
    CHECK_OK(secret_init());
    CHECK_OK(secret_random(KEK_SIZE, &kek));
    test_round_trip();
    test_secrecy();
    test_versions();
    test_strict();
    test_damage();
    test_wrong_keys();
    test_deks();
    secret_done(&kek);
    return 0;
}
