/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots.h"

#include <errno.h>
#include <string.h>

#include "keys/keyslots_own.h"

/* What a foreign keyslot may cost to try. cryptsetup's own defaults are below: 2 s of PBKDF2, 1 GiB of Argon2. */
#define PBKDF2_ITERATIONS_MAX 20000000U
#define PBKDF2_ITERATIONS_QUICK 100000U
#define ARGON2_MEMORY_KIB_MAX (1024U * 1024)
#define ARGON2_PASSES_MAX 64U
#define TRIES_MAX 5 /* another program is changing the file */

struct candidate {
    int slot;
    uint64_t cost; /* in the order of trying: own ones by state, foreign ones by the work they ask for */
    const struct unlock_token *token;
};

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->cost > y->cost) - (x->cost < y->cost);
}

/* Whether a foreign slot is tried, and its place in the order. */
static bool foreign_cost(struct lock *lock, int slot, bool is_unlock_key, uint64_t *ret)
{
    struct crypt_pbkdf_type pbkdf;

    if (crypt_keyslot_get_pbkdf(lock->cd, slot, &pbkdf) < 0)
        return false;
    if (strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) == 0) {
        *ret = 16 + (uint64_t) pbkdf.iterations;
        return pbkdf.iterations <= (is_unlock_key ? PBKDF2_ITERATIONS_QUICK : PBKDF2_ITERATIONS_MAX);
    }
    *ret = (UINT64_C(1) << 40) + (uint64_t) pbkdf.max_memory_kb * pbkdf.iterations;
    return !is_unlock_key && pbkdf.max_memory_kb <= ARGON2_MEMORY_KIB_MAX && pbkdf.iterations <= ARGON2_PASSES_MAX;
}

static unsigned candidates(struct lock *lock, struct own_tokens *tokens, bool is_unlock_key, struct candidate ret[static LOCK_SLOTS_MAX])
{
    static const uint64_t by_state[] = { [TOKEN_ACTIVE] = 0, [TOKEN_PENDING] = 1, [TOKEN_RETIRING] = 2 };
    unsigned n = 0;

    for (int slot = 0; slot < LOCK_SLOTS_MAX; slot++) {
        struct unlock_token *t;
        uint64_t cost;

        if (!lock_has(lock, slot))
            continue;
        t = own_of_slot(lock, tokens, slot);
        if (t && !own_opens(t))
            continue;
        if (t)
            cost = by_state[t->state];
        else if (!foreign_cost(lock, slot, is_unlock_key, &cost))
            continue;
        ret[n++] = (struct candidate) { slot, cost, t };
    }
    qsort(ret, n, sizeof(ret[0]), compare_candidates);
    return n;
}

/* Nothing opened: hard, if not 0, is why a slot could not be tried at all. */
static int explain(struct lock *lock, const struct candidate *c, unsigned n, bool is_unlock_key, int hard, struct error *e)
{
    for (unsigned i = 0; is_unlock_key && i < n; i++)
        if (c[i].token) {
            int r = own_check_area(lock, c[i].token, e);

            if (r < 0)
                return r;
        }
    /* -EINVAL: a foreign slot in a form that no key can open. */
    return hard < 0 && hard != -EINVAL ? lock_failed(lock, hard, "try a keyslot in", e) : lock_rejected(lock, e);
}

static int try_all(const char *path, const struct secret *typed, const struct secret *text, bool is_unlock_key, struct secret *ret_kek,
                   struct keyslot *ret_slot, struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    struct candidate c[LOCK_SLOTS_MAX];
    struct own_tokens tokens;
    int r = lock_load(&lock, path, e), hard = 0;
    unsigned n;

    if (r < 0)
        return r;
    own_read(&lock, &tokens);
    n = candidates(&lock, &tokens, is_unlock_key, c);
    for (unsigned i = 0; i < n; i++) {
        r = lock_try(&lock, c[i].slot, c[i].token ? text : typed, ret_kek);
        if (r == 0) {
            if (ret_slot)
                own_describe(&lock, c[i].slot, c[i].token, ret_slot);
            return 0;
        }
        if (r != -EPERM && hard == 0)
            hard = r;
    }
    return explain(&lock, c, n, is_unlock_key, hard, e);
}

int keyslots_open(const char *path, const struct secret *passphrase, struct secret *ret_kek, struct keyslot *ret_slot, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    bool is_unlock_key;
    int r = own_passphrase(passphrase, &is_unlock_key, &text);

    if (r < 0)
        return error_set(e, r, "cannot open %s: %s", path, strerror(-r));
    r = -ESTALE;
    for (int i = 0; i < TRIES_MAX && r == -ESTALE; i++)
        r = try_all(path, passphrase, &text, is_unlock_key, ret_kek, ret_slot, e);
    return r == -ESTALE ? -EAGAIN : r;
}
