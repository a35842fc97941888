/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"
#include "basic/secret.h"

/* The sealed key bundle, docs/FORMATS.md "Key bundle". */

#define DEK_SIZE 32
#define BUNDLE_DEKS_MAX 8
#define BUNDLE_TLS_KEY_MAX 4096
#define BUNDLE_SEALED_MAX 8192
#define BUNDLE_UUID_SIZE 16

struct dek {
    uint32_t id; /* never 0 */
    unsigned char key[DEK_SIZE];
};

struct bundle {
    unsigned char header_uuid[BUNDLE_UUID_SIZE]; /* of the keyslots.luks whose keyslots open this; zeros: not known, or there is no lock */
    uint64_t header_sequence; /* of keyslots.luks when the bundle was sealed; 0 without a lock */
    uint32_t rekeyed;         /* how often the swarm had asked for new keys when these were made */
    uint32_t active_dek;      /* id of the DEK that new records use */
    uint32_t n_deks;
    struct dek deks[BUNDLE_DEKS_MAX];
    uint32_t tls_key_size;
    unsigned char tls_key[BUNDLE_TLS_KEY_MAX]; /* PKCS#8, DER */
};

/* In locked memory, erased by bundle_free. NULL when out of memory. */
struct bundle *bundle_new(void);
/* NULL when out of memory. */
struct bundle *bundle_copy(const struct bundle *b);
void bundle_free(struct bundle *b);
DEFINE_CLEANUP(struct bundle *, bundle_free)

/* Adds a fresh random DEK under the next free id and makes it the active one. -ENOSPC over BUNDLE_DEKS_MAX. */
int bundle_add_dek(struct bundle *b);
/* Erases every DEK but the active one. */
void bundle_drop_old_deks(struct bundle *b);

/* Seals b under a key derived from kek (KEK_SIZE bytes). with_kek: the KEK stands beside the sealed bundle (autolock off). */
int bundle_seal(const struct bundle *b, const struct secret *kek, bool with_kek, struct secret *ret_blob);

/* Whether the blob carries its own KEK. -EBADMSG, -EPROTONOSUPPORT. ret_kek may be NULL. */
int bundle_embedded_kek(const struct secret *blob, bool *ret_has_kek, struct secret *ret_kek);

/* The LUKS2 header that the blob names, before anything can be unsealed: 1, or 0 when it names none. -EBADMSG, -EPROTONOSUPPORT. */
int bundle_names_header(const struct secret *blob, unsigned char ret_uuid[static BUNDLE_UUID_SIZE]);

/* -EKEYREJECTED when the seal does not open under kek: wrong KEK or damaged; -EBADMSG, -EPROTONOSUPPORT. */
int bundle_unseal(const struct secret *blob, const struct secret *kek, struct bundle **ret);
