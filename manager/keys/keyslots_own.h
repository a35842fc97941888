/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "keys/keyslots_file.h"

/* The unlock keys' keyslots in a loaded lock, known by their tokens. */
struct own_tokens {
    unsigned n;
    struct unlock_token t[LOCK_SLOTS_MAX];
};

void own_read(struct lock *lock, struct own_tokens *ret);

/* Whether the token stands for an unlock key that opens: it has a slot and is no intent. */
bool own_opens(const struct unlock_token *t);

/* The one that opens, of that generation; NULL. */
struct unlock_token *own_of_generation(struct own_tokens *tokens, uint32_t generation);

/* The one that speaks for a slot, intents included; NULL when the slot is foreign. */
struct unlock_token *own_of_slot(struct lock *lock, struct own_tokens *tokens, int slot);

/* Whether the slot is the one that this intent was about to fill: nobody has put a token to it, and its cost is the one announced. A
 * foreign tool may have taken the number since. */
bool own_is_being_added(struct lock *lock, const struct unlock_token *t, int slot);

/* An unlock key's text as unlock_key_format writes it, since the two spare bits of its last character make four texts of one key. Other
 * passphrases as they are. */
int own_passphrase(const struct secret *passphrase, bool *ret_is_unlock_key, struct secret *ret);

/* -EBADMSG when the slot's area is not as it was written: LUKS2 cannot tell that from a wrong key, the digest in our tokens can. -ESTALE when
 * only the loaded header is older than the area. */
int own_check_area(struct lock *lock, const struct unlock_token *t, struct error *e);

/* What keyslots.h tells of a slot; t is the own token that speaks for it, or NULL. */
void own_describe(struct lock *lock, int slot, const struct unlock_token *t, struct keyslot *ret);

/* From a free slot to one with a token: intent, slot, proof, token. t comes with slot, generation, final state and id. */
int own_fill(struct lock *lock, struct unlock_token *t, const struct secret *kek, const struct secret *passphrase, bool with_intent,
             struct error *e);

/* -ENOSPC when there are as many tokens as LUKS2 can have; libcryptsetup would answer as to a stale header. */
int own_check_room(struct lock *lock, struct error *e);

/* Writes an intent, under a free id when it has none; it has one then. -ENOSPC. */
int own_write_intent(struct lock *lock, struct unlock_token *intent, struct error *e);

/* The intent to fill t->slot at that cost; t->id is its token then. */
int own_begin(struct lock *lock, struct unlock_token *t, uint32_t cost, struct error *e);

/* The slot opens with passphrase, and to this KEK. */
int own_prove(struct lock *lock, int slot, const struct secret *kek, const struct secret *passphrase, struct error *e);

/* The last steps of own_fill: proof, token. */
int own_finish(struct lock *lock, struct unlock_token *t, const struct secret *kek, const struct secret *passphrase, struct error *e);

int own_set_state(struct lock *lock, struct unlock_token *t, enum unlock_token_state state, struct error *e);
int own_remove_token(struct lock *lock, int id, struct error *e);

/* The slot that t names, by way of an intent, with the tokens that stand for it alone. */
int own_destroy(struct lock *lock, struct unlock_token *t, struct error *e);

/* What adding left when it was cut off: of one intent, of all. */
int own_collect_adding(struct lock *lock, const struct unlock_token *t, struct error *e);
int own_collect_added(struct lock *lock, struct own_tokens *tokens, struct error *e);
