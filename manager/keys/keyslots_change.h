/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "keys/keyslots_own.h"

/* The steps of a rotation in a loaded lock, for lock_change(); keyslots.h says of each what it does. */
struct keyslots_change {
    const struct secret *kek; /* NULL where the step does not ask for it */
    const struct secret *passphrase; /* as own_passphrase() makes it */
    uint32_t generation, keep;
    struct keyslots_proofs *proofs; /* NULL: none */
};

int change_collect(struct lock *lock, void *data, struct error *e);
int change_add(struct lock *lock, void *data, struct error *e);
int change_activate(struct lock *lock, void *data, struct error *e);
int change_retire(struct lock *lock, void *data, struct error *e);
/* After a change_add that failed. */
int change_take_back(struct lock *lock, void *data, struct error *e);

/* ---- keyslots_proof.c ---- */

/* lock_try(), if it was not seen before. -EKEYREJECTED: the slot opens to another KEK than this (NULL: to any). */
int proof_try(struct lock *lock, int slot, const struct keyslots_change *what);
/* It was just seen. */
void proof_keep(struct lock *lock, int slot, const struct keyslots_change *what);
