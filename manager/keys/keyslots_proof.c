/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A passphrase that opened a keyslot opens it again while nothing changes that decides it: then 7 ms are saved, of which a rotation by many
 * managers has many. */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/keyslots_change.h"

/* With its NUL. */
static int add_json(crypto_generichash_state *state, const json_t *part)
{
    _cleanup_free_ char *text = part ? json_dumps(part, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    return text ? crypto_generichash_update(state, (const unsigned char *) text, strlen(text) + 1) : -ENOENT;
}

static bool lists(const json_t *array, const char *word)
{
    const json_t *item;
    size_t i;

    json_array_foreach(array, i, item) {
        const char *text = json_string_value(item);

        if (text && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

/* Those that the slot's volume key is checked against, less the names of the other slots that are. */
static int add_digests(crypto_generichash_state *state, json_t *digests, const char *slot)
{
    const char *id;
    json_t *digest;
    int r = 0;

    json_object_foreach(digests, id, digest)
        if (r == 0 && lists(json_object_get(digest, "keyslots"), slot)) {
            (void) json_object_del(digest, "keyslots");
            r = add_json(state, digest);
        }
    return r;
}

/* The slot's parameters, and those of the volume key's digest (LUKS2 on-disk format, sections 3.2 and 3.5). */
static int add_parameters(crypto_generichash_state *state, struct lock *lock, int slot)
{
    char number[12];
    const char *text;
    json_t *header;
    int r = crypt_dump_json(lock->cd, &text, 0);

    if (r < 0)
        return r;
    header = json_loads(text, 0, NULL);
    (void) snprintf(number, sizeof(number), "%d", slot);
    r = add_json(state, json_object_get(json_object_get(header, "keyslots"), number));
    if (r == 0)
        r = add_digests(state, json_object_get(header, "digests"), number);
    json_decref(header);
    return r;
}

static int make_proof(struct lock *lock, int slot, const struct keyslots_change *what, unsigned char ret[static KEYSLOTS_PROOF_SIZE])
{
    crypto_generichash_state state;
    char area[AREA_DIGEST_LEN + 1];
    int r = lock_area_digest(lock, slot, area);

    if (r < 0)
        return r;
    (void) crypto_generichash_init(&state, NULL, 0, KEYSLOTS_PROOF_SIZE);
    r = add_parameters(&state, lock, slot);
    (void) crypto_generichash_update(&state, (const unsigned char *) area, sizeof(area));
    (void) crypto_generichash_update(&state, what->kek->data, what->kek->size);
    (void) crypto_generichash_update(&state, what->passphrase->data, what->passphrase->size);
    if (r == 0)
        (void) crypto_generichash_final(&state, ret, KEYSLOTS_PROOF_SIZE);
    sodium_memzero(&state, sizeof(state));
    return r;
}

static bool is_kept(const struct keyslots_proofs *proofs, const unsigned char proof[static KEYSLOTS_PROOF_SIZE])
{
    for (unsigned i = 0; i < KEYSLOTS_PROOFS_MAX && i < proofs->n; i++)
        if (sodium_memcmp(proofs->digests[i], proof, KEYSLOTS_PROOF_SIZE) == 0)
            return true;
    return false;
}

static void keep(struct keyslots_proofs *proofs, const unsigned char proof[static KEYSLOTS_PROOF_SIZE])
{
    memcpy(proofs->digests[proofs->n++ % KEYSLOTS_PROOFS_MAX], proof, KEYSLOTS_PROOF_SIZE);
}

void proof_keep(struct lock *lock, int slot, const struct keyslots_change *what)
{
    unsigned char proof[KEYSLOTS_PROOF_SIZE];

    if (what->proofs && make_proof(lock, slot, what, proof) == 0 && !is_kept(what->proofs, proof))
        keep(what->proofs, proof);
}

int proof_try(struct lock *lock, int slot, const struct keyslots_change *what)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    unsigned char proof[KEYSLOTS_PROOF_SIZE];
    bool has_proof = what->proofs && make_proof(lock, slot, what, proof) == 0;
    int r;

    if (has_proof && is_kept(what->proofs, proof))
        return 0;
    r = lock_try(lock, slot, what->passphrase, &kek);
    if (r < 0)
        return r;
    if (what->kek && (what->kek->size != kek.size || sodium_memcmp(what->kek->data, kek.data, kek.size) != 0))
        return -EKEYREJECTED;
    if (has_proof)
        keep(what->proofs, proof);
    return 0;
}
