/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "open/open_reply.h"

/* A keyslot whose token names a method. */
struct open_slot {
    int slot;
    const char *kind;  /* the token's type */
    const char *token; /* its JSON */
};

/* The manager's lock as it was when it was loaded: a copy in memory, so that nobody who holds the file's flock, as cryptsetup does for the
 * seconds of an Argon2id luksAddKey, makes an unlock wait, and so that a damaged header can be mended without writing to the file. */
struct open_lock {
    struct crypt_device *cd;
    int fd; /* of the copy */
    unsigned n;
    struct open_slot slots[OPEN_SLOTS_MAX];
};

#define OPEN_LOCK_NULL ((struct open_lock) { .fd = -1 })

/* Those of the keyslots in mask that have a token of a known method. -EKEYREJECTED when there is no lock, or no good one. */
int open_lock_load(const char *path, uint32_t mask, struct open_lock *ret, struct error *e);

/* Whether the passphrase opens this slot: 0, -EKEYREJECTED. */
int open_lock_prove(struct open_lock *lock, int slot, const struct secret *passphrase, struct error *e);

/* Scope exit function. */
void open_lock_done(struct open_lock *lock);
