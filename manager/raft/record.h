/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "raft/keyring.h"

/* One encrypted record of the log or snapshot, docs/FORMATS.md "Record": a 48-byte header, then the ciphertext, XChaCha20-Poly1305 with a
 * random nonce. Sizes of plaintexts are multiples of 8, as libraft wants its buffers. */

#define RECORD_HEADER_SIZE 48

enum record_kind {
    RECORD_ENTRY = 1,
    RECORD_SNAPSHOT = 2,
};

/* The place that a record is bound to (associated data): a record that was moved elsewhere does not open. */
struct record_place {
    uint8_t kind; /* enum record_kind */
    uint8_t type; /* raft entry type; 0 for a snapshot */
    uint64_t index;
    uint64_t term;
};

/* out has RECORD_HEADER_SIZE + size bytes; plain may be out + RECORD_HEADER_SIZE. -EINVAL: size is no multiple of 8; -ENOKEY: no
 * active key. */
int record_seal(const struct keyring *k, const struct record_place *place, const void *plain, size_t size, void *out);

/* Decrypts in place: *ret_plain points into record. -EBADMSG damaged or moved (record is then destroyed), -ENOKEY unknown DEK,
 * -EPROTONOSUPPORT newer version. */
int record_open(const struct keyring *k, const struct record_place *place, void *record, size_t size, void **ret_plain, size_t *ret_size);

/* The id of the DEK that a record claims to be under; nothing is authenticated. Errors as record_open. */
int record_peek(const void *record, size_t size, uint32_t *ret_id);
