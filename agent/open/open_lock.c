/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "open/open_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "basic/cleanup.h"
#include "open/attempt.h"

#define LOCK_SIZE_MAX (16 * 1024 * 1024)
#define VOLUME_KEY_MAX 64

static int copy_all(int from, int to, off_t size)
{
    off_t at = 0;

    while (at < size) {
        ssize_t n = sendfile(to, from, &at, (size_t) (size - at));

        if (n == 0)
            return -EBADMSG; /* cut off meanwhile */
        if (n < 0 && errno != EINTR)
            return -errno;
    }
    return 0;
}

static int copy_new(const char *path)
{
    _cleanup_close_ int from = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), to = -1;
    struct stat st;
    int r;

    if (from < 0 || fstat(from, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > LOCK_SIZE_MAX)
        return -EBADMSG;
    to = memfd_create("keyslots", MFD_CLOEXEC);
    if (to < 0)
        return -errno;
    r = copy_all(from, to, st.st_size);
    return r < 0 ? r : take_fd(&to);
}

static void silent(int level _unused_, const char *message _unused_, void *data _unused_)
{
}

static int load(struct open_lock *lock)
{
    char path[sizeof("/proc/self/fd/") + 12];
    int r;

    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", lock->fd);
    /* No plugin is looked for because of a token's type, and nothing is printed. */
    crypt_token_external_disable();
    crypt_set_log_callback(NULL, silent, NULL);
    r = crypt_init(&lock->cd, path);
    return r < 0 ? r : crypt_load(lock->cd, CRYPT_LUKS2, NULL);
}

static bool is_filled(struct crypt_device *cd, int slot)
{
    crypt_keyslot_info info = crypt_keyslot_status(cd, slot);

    return info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST;
}

/* The slot's first token that names a method. */
static bool find_token(struct crypt_device *cd, int slot, struct open_slot *ret)
{
    struct open_slot found = { .slot = slot };

    for (int id = 0; id < OPEN_SLOTS_MAX; id++) {
        (void) crypt_token_status(cd, id, &found.kind);
        if (found.kind && attempt_knows(found.kind) && crypt_token_is_assigned(cd, id, slot) == 0 &&
            crypt_token_json_get(cd, id, &found.token) >= 0) {
            *ret = found;
            return true;
        }
        found.kind = NULL;
    }
    return false;
}

int open_lock_load(const char *path, uint32_t mask, struct open_lock *ret, struct error *e)
{
    _cleanup_(open_lock_done) struct open_lock lock = OPEN_LOCK_NULL;
    int r;

    lock.fd = copy_new(path);
    if (lock.fd < 0)
        return error_set(e, -EKEYREJECTED, "cannot read %s: %s", path, strerror(-lock.fd));
    r = load(&lock);
    if (r < 0)
        return error_set(e, -EKEYREJECTED, "%s has no LUKS2 header that can be read: %s", path, strerror(-r));
    for (int slot = 0; slot < OPEN_SLOTS_MAX; slot++)
        if ((mask >> slot & 1) && is_filled(lock.cd, slot))
            lock.n += find_token(lock.cd, slot, &lock.slots[lock.n]);
    *ret = lock;
    lock = OPEN_LOCK_NULL;
    return 0;
}

int open_lock_prove(struct open_lock *lock, int slot, const struct secret *passphrase, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    size_t size = VOLUME_KEY_MAX;
    int r = secret_new(size, &key);

    if (r < 0)
        return error_set(e, r, "no memory to try keyslot %d", slot);
    r = crypt_volume_key_get(lock->cd, slot, (char *) key.data, &size, (const char *) passphrase->data, passphrase->size);
    if (r == -EPERM)
        return error_set(e, -EKEYREJECTED, "what its token gives does not open keyslot %d: bind it anew", slot);
    if (r < 0)
        return error_set(e, r, "cannot try keyslot %d: %s", slot, strerror(-r));
    return 0;
}

void open_lock_done(struct open_lock *lock)
{
    if (lock->cd)
        crypt_free(lock->cd);
    closep(&lock->fd);
    *lock = OPEN_LOCK_NULL;
}
