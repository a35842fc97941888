/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "raft/record.h"

/* A snapshot's record holds the membership beside the machine's state, because raft_uv keeps the membership in a file that is neither
 * encrypted nor authenticated: index of the configuration, size of its encoding, the encoding, then the state. */
struct envelope {
    uint64_t index, term; /* of the snapshot */
    uint64_t configuration_index;
    const void *configuration; /* as raft_configuration_encode makes it: a multiple of 8 bytes */
    size_t configuration_size;
};

size_t envelope_record_size(const struct envelope *v, size_t state_size);

/* out has envelope_record_size() bytes: everything but the encryption, … */
void envelope_fill(const struct envelope *v, const void *state, size_t state_size, void *out);
/* … and the encryption, in place. record_size is envelope_record_size(). */
int envelope_seal(const struct keyring *k, const struct envelope *v, void *out, size_t record_size);

/* Decrypts in place and compares. Errors as record_open; -EBADMSG as well when the membership is not the one that was sealed. */
int envelope_open(const struct keyring *k, const struct envelope *v, void *record, size_t size, void **ret_state, size_t *ret_size);
