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

/* out has RECORD_HEADER_SIZE + size bytes. */
int record_seal(const struct keyring *k, const struct record_place *place, const void *plain, size_t size, void *out);

/* Decrypts in place: *ret_plain points into record. -EBADMSG damaged or moved, -ENOKEY unknown DEK, -EPROTONOSUPPORT newer version. */
int record_open(const struct keyring *k, const struct record_place *place, void *record, size_t size, void **ret_plain, size_t *ret_size);
