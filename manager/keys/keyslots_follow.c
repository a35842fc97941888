/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "basic/file.h"
#include "keys/keyslots.h"
#include "keys/keyslots_change.h"

struct following {
    struct keyslots_change key, next;
    uint64_t before; /* 0: it was not read yet; that of the first look, since a try that fails may have changed the header */
    bool ours;
};

/* Before anything is changed. */
static int look(struct lock *lock, struct following *f, struct error *e)
{
    int r = f->before > 0 ? 0 : lock_sequence(lock->path, &f->before);

    if (r < 0)
        return lock_failed(lock, r, "read", e);
    r = lock_holds(lock, f->key.kek, e);
    f->ours = r > 0;
    if (r == 0)
        return error_set(e, -EKEYREJECTED, "%s is a lock of other keys, which another program has put there: this manager makes its own anew; try again",
                         lock->path);
    return r < 0 ? r : 0;
}

static int follow(struct lock *lock, void *data, struct error *e)
{
    struct following *f = data;
    int r = look(lock, f, e);

    if (r == 0)
        r = change_collect(lock, NULL, e);
    if (r == 0 && f->key.passphrase->size > 0)
        r = change_add(lock, &f->key, e);
    if (r == 0 && f->next.passphrase->size > 0)
        return change_add(lock, &f->next, e);
    if (r == 0)
        r = change_activate(lock, &f->key, e);
    return r < 0 ? r : change_retire(lock, &f->key, e);
}

static int parse(const struct secret *key, struct secret *ret)
{
    bool is_unlock_key;

    return key ? own_passphrase(key, &is_unlock_key, ret) : 0;
}

int keyslots_follow(const char *path, const struct keyslots_wanted *wanted, struct keyslots_proofs *proofs, struct keyslots_followed *ret,
                    struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, next = SECRET_NULL;
    struct following f = {
        .key = { wanted->kek, &key, wanted->generation, wanted->keep, proofs },
        .next = { wanted->kek, &next, wanted->next_generation, 0, proofs },
    };
    char temporary[PATH_MAX];
    uint64_t after;
    int r = wanted->key || wanted->next ? parse(wanted->key, &key) : -EINVAL;

    if (r == 0)
        r = parse(wanted->next, &next);
    if (r == 0)
        r = file_temporary(NULL, path, temporary);
    if (r < 0)
        return error_set(e, r, "cannot change %s: %s", path, strerror(-r));
    r = file_erase(temporary, e);
    if (r == 0)
        r = lock_change(path, follow, &f, e);
    if (r < 0 && f.ours)
        (void) lock_change(path, change_take_back, NULL, NULL);
    if (r < 0)
        return r;
    r = lock_sequence(path, &after);
    if (r < 0)
        return error_set(e, r, "cannot read %s: %s", path, strerror(-r));
    *ret = (struct keyslots_followed) { f.before, after };
    return 0;
}
