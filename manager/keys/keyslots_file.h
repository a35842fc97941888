/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "keys/keyslots.h"
#include "keys/keyslots_token.h"

/* One loaded lock: what keyslots.c's operations work on. */

#define LOCK_SLOTS_MAX 32 /* of LUKS2, and as many tokens */
#define LOCK_METADATA_SIZE (64U * 1024)
#define LOCK_AREA_SIZE (252U * 1024) /* 4000 stripes of a 64-byte key, in whole pages */
#define LOCK_AREAS_SIZE (KEYSLOTS_MAX * LOCK_AREA_SIZE)
#define LOCK_FILE_SIZE (2 * LOCK_METADATA_SIZE + LOCK_AREAS_SIZE)

struct lock {
    struct crypt_device *cd;
    const char *path;
    char message[160]; /* the last error text of libcryptsetup */
};

/* Without a header yet; lock must not move, libcryptsetup writes its messages there. */
int lock_init(struct lock *lock, const char *path, struct error *e);
/* Loads the header; libcryptsetup repairs a damaged one from the other. */
int lock_load(struct lock *lock, const char *path, struct error *e);
void lock_done(struct lock *lock);

/* Says what was being done when libcryptsetup failed with r, as an errno of ours. -ESTALE: somebody else changed the file since it was
 * loaded. */
int lock_failed(struct lock *lock, int r, const char *doing, struct error *e);
/* -EKEYREJECTED */
int lock_rejected(struct lock *lock, struct error *e);
/* -EBADMSG */
int lock_damaged(const char *path, const char *how, struct error *e);

/* Whether a slot holds a key, for the KEK. */
bool lock_has(struct lock *lock, int slot);
/* How many such slots there are. */
int lock_count(struct lock *lock);
/* The type of the first token assigned to the slot, NULL when there is none. */
const char *lock_token_type(struct lock *lock, int slot);

/* The JSON of the first token assigned to the slot that is not ours, until the lock changes; NULL when there is none. */
const char *lock_token(struct lock *lock, int slot);

/* The KEK, if passphrase opens this slot. -EPERM, or another errno of libcryptsetup. */
int lock_try(struct lock *lock, int slot, const struct secret *passphrase, struct secret *ret_kek);

/* A cost that hardly any other slot has: iterations of PBKDF2, or KiB of Argon2id. By it a slot that was being added is told from a
 * foreign one. */
uint32_t lock_new_cost(enum keyslot_stretch stretch);
/* Whether the slot has exactly that cost. */
bool lock_has_cost(struct lock *lock, int slot, uint32_t cost);
/* For the slots, and the header's digest, that are made next. */
int lock_set_pbkdf(struct lock *lock, enum keyslot_stretch stretch, uint32_t cost);
/* Fills a free slot. What libcryptsetup says. */
int lock_fill(struct lock *lock, int slot, const struct secret *kek, const struct secret *passphrase, enum keyslot_stretch stretch,
              uint32_t cost);
/* How many slots can still be made, of KEYSLOTS_MAX. */
int lock_count_free(struct lock *lock);
/* The last free one, as other tools begin with the first: clevis, which looks for one long before it fills it, then seldom finds it taken.
 * -ENOSPC. */
int lock_free_slot(struct lock *lock, struct error *e);

/* The header's sequence id, as it is in the file. */
int lock_sequence(const char *path, uint64_t *ret);
/* Whether kek is the one behind the keyslots: 1, 0. */
int lock_holds(struct lock *lock, const struct secret *kek, struct error *e);

/* Does change on a freshly loaded lock, again when another program was faster: each change goes on from what it finds done. -EAGAIN when
 * that does not end. */
int lock_change(const char *path, int (*change)(struct lock *lock, void *what, struct error *e), void *what, struct error *e);

/* The digest of a slot's area as it is in the file. -EBADMSG when the file ends before. */
int lock_area_digest(struct lock *lock, int slot, char ret[static AREA_DIGEST_LEN + 1]);
