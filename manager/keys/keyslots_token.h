/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libcryptsetup.h>
#include <stdint.h>

/* The swarm-unlock tokens in a lock's LUKS2 header, docs/FORMATS.md "Lock". */

#define AREA_DIGEST_LEN 64

enum unlock_token_state {
    TOKEN_PENDING,
    TOKEN_ACTIVE,
    TOKEN_RETIRING,
    TOKEN_ADDING,     /* intent: slot, which is not this token's yet, is about to be filled */
    TOKEN_DESTROYING, /* intent: slot is about to be wiped, or was and the power went */
};

struct unlock_token {
    int id;
    int slot; /* -1 when its keyslot is gone */
    uint32_t generation;
    enum unlock_token_state state;
    uint32_t iterations;            /* the cost of the slot being added (lock_new_cost), by which it is told from a foreign one; else 0 */
    char area[AREA_DIGEST_LEN + 1]; /* BLAKE2b-256 of the keyslot's area, hex; empty while being added */
};

/* The token of that id. -ENOENT: none, or not a swarm-unlock token; -EBADMSG: one without the form of its version; -EPROTONOSUPPORT: of a
 * newer version. */
int unlock_token_read(struct crypt_device *cd, int id, struct unlock_token *ret);

/* Writes under token->id, or a free id when that is CRYPT_ANY_TOKEN. Returns the id, or what libcryptsetup says. */
int unlock_token_write(struct crypt_device *cd, const struct unlock_token *token);
