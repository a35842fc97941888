/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"
#include "basic/secret.h"

/* A manager's lock: a LUKS2 header in a plain file whose volume key is the KEK. Every call blocks (a foreign luksAddKey may hold the file's
 * lock for seconds), loads the header afresh, and belongs on a worker thread, one call at a time.
 *
 * Common errors: -ENOENT no file; -EBADMSG both headers damaged, or not ours; -EKEYREJECTED; -ENOSPC no free keyslot or disk full;
 * -EPROTONOSUPPORT made by a newer cryptsetup; -EAGAIN other programs change the file all the time.
 *
 * A passphrase that has the form of an unlock key may end in a newline, and its spare bits do not matter (unlock_key.h). */

#define KEK_SIZE 64
#define KEYSLOTS_MAX 8
#define KEYSLOT_TOKEN_TYPE "swarm-unlock"

/* What the "state" member of a swarm-unlock token says. */
enum keyslot_state {
    KEYSLOT_PENDING,  /* opens, but its key has not been acknowledged yet */
    KEYSLOT_ACTIVE,
    KEYSLOT_RETIRING, /* still opens, goes when the newer key is acknowledged */
    KEYSLOT_FOREIGN,  /* not an unlock key: made by another tool or for another method */
};

#define KEYSLOT_KIND_MAX 64
#define KEYSLOT_BINDING_MAX 256
#define KEYSLOT_AREA_LEN 64
#define KEYSLOTS_UUID_SIZE 16

struct keyslot {
    int slot;
    char kind[KEYSLOT_KIND_MAX]; /* "unlock-key", "passphrase" without a token, or as binding_describe() says of the token */
    char binding[KEYSLOT_BINDING_MAX];
    uint32_t generation; /* 0 when foreign */
    enum keyslot_state state;
};

/* How a passphrase is stretched: a random one needs little, a person's word much. */
enum keyslot_stretch {
    STRETCH_KEY,   /* PBKDF2, 1000 iterations and some */
    STRETCH_HUMAN, /* Argon2id, 4 passes over 64 MiB and some */
};

const char *keyslot_state_to_string(enum keyslot_state state);

/* A new header under path, replacing an older one atomically, with one keyslot for passphrase in the given state. */
int keyslots_create(const char *path, const struct secret *kek, const struct secret *passphrase, uint32_t generation,
                    enum keyslot_state state, struct error *e);

/* Tries the passphrase on each keyslot that does not cost too much (docs/FORMATS.md "Lock"). ret_slot may be NULL. -EKEYREJECTED when none
 * opens; -EBADMSG when none opens for an unlock key and the area of an unlock key's keyslot is damaged. */
int keyslots_open(const char *path, const struct secret *passphrase, struct secret *ret_kek, struct keyslot *ret_slot, struct error *e);

/* What keyslots were seen to open with, and to which KEK. One owner, who begins with zeroes; holds digests only. */
#define KEYSLOTS_PROOFS_MAX 4
#define KEYSLOTS_PROOF_SIZE 32

struct keyslots_proofs {
    unsigned char digests[KEYSLOTS_PROOFS_MAX][KEYSLOTS_PROOF_SIZE];
    unsigned n; /* ever kept */
};

/* Adds a pending keyslot, proves that it opens to the same KEK, then writes its token: from then on it and the older ones unlock. Does
 * nothing when a keyslot of that generation exists and opens. One that does not open is replaced if it is pending, or damaged (the new one
 * then has its state); else -EEXIST. Of what is in proofs (NULL: nothing) nothing is tried again, and what is seen to open is put there. */
int keyslots_add(const char *path, const struct secret *kek, const struct secret *passphrase, uint32_t generation,
                 struct keyslots_proofs *proofs, struct error *e);

/* Makes generation the active one and every other unlock key's keyslot retiring. -ENOENT when it has no keyslot. */
int keyslots_activate(const char *path, uint32_t generation, struct error *e);

/* Proves that passphrase opens the keyslot of generation, then destroys every other unlock key's keyslot and its token, but for the one of
 * generation keep (0: none). Foreign keyslots stay. */
int keyslots_retire(const char *path, const struct secret *passphrase, uint32_t generation, uint32_t keep, struct error *e);

/* Removes own tokens that no keyslot is left for, and keyslots that were being added or destroyed when the power went (named by an own
 * intent token), with the tokens for them alone. Other foreign keyslots and tokens stay. */
int keyslots_collect(const char *path, struct error *e);

/* The unlock keys that a swarm has. */
struct keyslots_wanted {
    const struct secret *kek;
    const struct secret *key, *next; /* NULL: none, but for one of them */
    uint32_t generation, next_generation;
    uint32_t keep; /* an older generation that still opens; 0: none */
};

/* The header's sequence ids, as keyslots_sequence() has them. */
struct keyslots_followed {
    uint64_t before, after;
};

/* Brings the lock to that in one go: keyslots_collect, and keyslots_add of the key and the next one; when there is no next one, keyslots_activate
 * and keyslots_retire, with proofs as there. -EKEYREJECTED also when another KEK is behind the keyslots: nothing has changed then. */
int keyslots_follow(const char *path, const struct keyslots_wanted *wanted, struct keyslots_proofs *proofs, struct keyslots_followed *ret,
                    struct error *e);

/* Adds a foreign keyslot: one with the LUKS2 token of a method (JSON; its "keyslots" is set here), or a passphrase when token is NULL. Proves that
 * it opens before its token is written; killed before, it is collected. Leaves a slot free for the next rotation, else -ENOSPC, unless
 * it is to replace another one. -EINVAL when token is no token, or a person's passphrase has the form of an unlock key: it would never be
 * tried. */
int keyslots_add_method(const char *path, const struct secret *kek, const struct secret *passphrase, enum keyslot_stretch stretch,
                        const char *token, bool replaces, int *ret_slot, struct error *e);

/* Destroys a foreign keyslot with the tokens for it alone, after unlock_key was seen to open an unlock key's keyslot; goes on with one that was
 * cut off. -ENOENT: no such keyslot; -EBUSY: it holds an unlock key, or nothing else would open. */
int keyslots_remove_method(const char *path, int slot, const struct secret *unlock_key, struct error *e);

/* Whether passphrase opens this very keyslot, whatever that costs. -ENOENT: none that keyslots_list would list; -EKEYREJECTED. ret_slot may be
 * NULL. */
int keyslots_prove(const char *path, int slot, const struct secret *passphrase, struct keyslot *ret_slot, struct error *e);

/* The JSON of the slot's first token that is not ours, from malloc. -ENOENT when the slot or its token is missing. */
int keyslots_token(const char *path, int slot, char **ret, struct error *e);

/* The digest of the slot's area: what tells it from another one that later gets the same number. -ENOENT. */
int keyslots_area(const char *path, int slot, char ret[static KEYSLOT_AREA_LEN + 1], struct error *e);

/* Up to KEYSLOTS_MAX entries into keyslots, their number returned. */
int keyslots_list(const char *path, struct keyslot keyslots[static KEYSLOTS_MAX], struct error *e);

/* The LUKS2 header's sequence id, which every change increases (LUKS2 on-disk format, section 2.1). */
int keyslots_sequence(const char *path, uint64_t *ret, struct error *e);

/* The header's UUID, by which a sealed bundle names it. */
int keyslots_uuid(const char *path, unsigned char ret[static KEYSLOTS_UUID_SIZE], struct error *e);

/* Whether this KEK is the one behind the keyslots, whatever opens them: 1, 0. */
int keyslots_hold(const char *path, const struct secret *kek, struct error *e);

/* Where a header is made that is to take the place of path's: PATH.next, into a buffer of PATH_MAX. */
int keyslots_next(const char *path, char *ret);

/* Whether and how a replacement came to its end: the header of that UUID (NULL: none is known) is put in path's place if PATH.next is it and
 * path is not, else a PATH.next that is not needed is erased. 1 when it was put there, 0 when all stays. What cannot be judged stays as it is. */
int keyslots_settle(const char *path, const unsigned char *uuid, struct error *e);

/* Destroys all keyslots' areas and headers, then unlinks the file, and a PATH.next. A missing file is no error; a damaged one goes too. */
int keyslots_erase(const char *path, struct error *e);
