/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/file.h"
#include "keys/keyslots_own.h"

static_assert(LOCK_FILE_SIZE <= 2202009, "at most 2.1 MiB");

const char *keyslot_state_to_string(enum keyslot_state state)
{
    static const char *const names[] = {
        [KEYSLOT_PENDING] = "pending",
        [KEYSLOT_ACTIVE] = "active",
        [KEYSLOT_RETIRING] = "retiring",
        [KEYSLOT_FOREIGN] = "foreign",
    };

    return names[state];
}

static enum unlock_token_state private_state(enum keyslot_state state)
{
    assert(state != KEYSLOT_FOREIGN);
    return state == KEYSLOT_PENDING ? TOKEN_PENDING : state == KEYSLOT_ACTIVE ? TOKEN_ACTIVE : TOKEN_RETIRING;
}

static int format(struct lock *lock, const struct secret *kek, struct error *e)
{
    struct crypt_params_luks2 params = { .sector_size = 512, .label = "swarm-manager" };
    int r = crypt_set_metadata_size(lock->cd, LOCK_METADATA_SIZE, LOCK_AREAS_SIZE);

    if (r == 0)
        r = crypt_set_data_offset(lock->cd, LOCK_FILE_SIZE / 512);
    if (r == 0)
        r = lock_set_pbkdf(lock, STRETCH_KEY, lock_new_cost(STRETCH_KEY));
    if (r == 0)
        r = crypt_format(lock->cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, (const char *) kek->data, kek->size, &params);
    return r < 0 ? lock_failed(lock, r, "make", e) : 0;
}

/* Reserves the room first, so that a full disk shows here and not in the middle of a rotation. */
static int make_file(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    return -posix_fallocate(fd, 0, LOCK_FILE_SIZE);
}

static int make(const char *path, const struct secret *kek, const struct secret *passphrase, struct unlock_token *t, struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    int r = make_file(path);

    if (r < 0)
        return error_set(e, r, "cannot make %s: %s", path, strerror(-r));
    r = lock_init(&lock, path, e);
    if (r == 0)
        r = format(&lock, kek, e);
    if (r == 0)
        r = own_fill(&lock, t, kek, passphrase, false, e);
    return r;
}

static int sync_file(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int keyslots_create(const char *path, const struct secret *kek, const struct secret *passphrase, uint32_t generation,
                    enum keyslot_state state, struct error *e)
{
    struct unlock_token t = { .id = CRYPT_ANY_TOKEN, .slot = 0, .generation = generation, .state = private_state(state) };
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    char temporary[PATH_MAX];
    bool is_unlock_key;
    int r = file_temporary(NULL, path, temporary);

    if (r == 0)
        r = kek->size == KEK_SIZE ? own_passphrase(passphrase, &is_unlock_key, &text) : -EINVAL;
    if (r < 0)
        return error_set(e, r, "cannot make %s: %s", path, strerror(-r));
    r = file_erase(temporary, e);
    if (r < 0)
        return r;
    r = make(temporary, kek, &text, &t, e);
    if (r == 0) {
        r = sync_file(temporary);
        if (r < 0)
            (void) error_set(e, r, "cannot make %s: %s", path, strerror(-r));
    }
    if (r < 0) {
        (void) file_erase(temporary, NULL);
        return r == -ESTALE ? -EIO : r; /* nobody else knows this file */
    }
    return file_move(temporary, path, e);
}

int keyslots_list(const char *path, struct keyslot keyslots[static KEYSLOTS_MAX], struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    struct own_tokens tokens;
    int n = 0, r = lock_load(&lock, path, e);

    if (r < 0)
        return r;
    own_read(&lock, &tokens);
    for (int slot = 0; slot < LOCK_SLOTS_MAX && n < KEYSLOTS_MAX; slot++) {
        struct unlock_token *t;

        if (!lock_has(&lock, slot))
            continue;
        t = own_of_slot(&lock, &tokens, slot);
        if (!t || own_opens(t))
            own_describe(&lock, slot, t, &keyslots[n++]);
    }
    return n;
}

int keyslots_sequence(const char *path, uint64_t *ret, struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    int r = lock_load(&lock, path, e);

    if (r < 0)
        return r;
    r = lock_sequence(path, ret);
    return r < 0 ? error_set(e, r, "cannot read %s: %s", path, strerror(-r)) : 0;
}

static int erase_both(const char *path, struct error *e)
{
    char temporary[PATH_MAX];
    int r = file_temporary(NULL, path, temporary);

    if (r < 0)
        return error_set(e, r, "cannot remove %s: %s", path, strerror(-r));
    r = file_erase(path, e);
    return r < 0 ? r : file_erase(temporary, e);
}

int keyslots_erase(const char *path, struct error *e)
{
    char next[PATH_MAX];
    int r = keyslots_next(path, next);

    if (r < 0)
        return error_set(e, r, "cannot remove %s: %s", path, strerror(-r));
    r = erase_both(path, e);
    return r < 0 ? r : erase_both(next, e);
}
