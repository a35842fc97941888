/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/store.pb-c.h"

/* The revocations of a store in their one order: tombstones (no digest) by id, then the others by digest and id. */
struct revocations {
    Pb__Revocation **items;
    size_t n, capacity;
};

/* Room for n in all. -ENOMEM. */
int revocations_reserve(struct revocations *x, size_t n);
/* Erases and frees them all. */
void revocations_done(struct revocations *x);

/* digest: NULL and 0 bytes for a tombstone. NULL when there is none. */
Pb__Revocation *revocations_get(const struct revocations *x, const char *id, const void *digest, size_t size);
/* Of whichever node. */
bool revocations_have_digest(const struct revocations *x, const void *digest, size_t size);

/* Drops those that have ended, and those that end first where otherwise there were more than STORE_REVOCATIONS_MAX with one more. */
void revocations_trim(struct revocations *x, int64_t now, bool for_one_more);
/* It is not there yet and room has been reserved. */
void revocations_insert(struct revocations *x, Pb__Revocation *r);

/* Takes over n items that are in order into an empty set with room for them. Whether they are, and each there but once; if not, the set is
 * of no further use. */
bool revocations_fill(struct revocations *x, Pb__Revocation *const *items, size_t n);
