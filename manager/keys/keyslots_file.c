/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyslots_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define AREA_SIZE_MAX (4U * 1024 * 1024)
#define ITERATIONS_MIN 1000 /* the least that libcryptsetup takes, and what other tools use for keys */
#define ITERATIONS_SPREAD 999
#define ARGON2_KIB (64U * 1024) /* with 4 passes some 200 ms, and bearable for a manager whose memory is bounded (RFC 9106, section 4) */
#define ARGON2_SPREAD 1024
#define ARGON2_PASSES 4
#define TRIES_MAX 20

static void remember(int level, const char *message, void *userdata)
{
    struct lock *lock = userdata;

    if (!lock || level != CRYPT_LOG_ERROR)
        return;
    (void) snprintf(lock->message, sizeof(lock->message), "%s", message);
    lock->message[strcspn(lock->message, "\n")] = 0;
}

void lock_done(struct lock *lock)
{
    if (lock->cd)
        crypt_free(lock->cd);
    lock->cd = NULL;
}

int lock_damaged(const char *path, const char *how, struct error *e)
{
    return error_set(e, -EBADMSG, "%s is damaged (%s): restore it from a backup, or give this node up with 'swarmctl leave --force'",
                     path, how);
}

int lock_failed(struct lock *lock, int r, const char *doing, struct error *e)
{
    const char *detail = lock->message[0] ? lock->message : strerror(-r);

    if (r == -EINVAL)
        return error_set(e, -ESTALE, "cannot %s %s: %s", doing, lock->path, detail);
    if (r == -EPERM)
        return error_set(e, -EKEYREJECTED, "cannot %s %s: the key does not open it", doing, lock->path);
    return error_set(e, r, "cannot %s %s: %s", doing, lock->path, detail);
}

int lock_rejected(struct lock *lock, struct error *e)
{
    return error_set(e, -EKEYREJECTED, "the key opens no keyslot in %s", lock->path);
}

/* Only a regular file: libcryptsetup would also take a device, or wait at a FIFO. */
static int check_file(const char *path, struct error *e)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return error_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return lock_damaged(path, "not a regular file", e);
    if (st.st_size < 2 * LOCK_METADATA_SIZE)
        return lock_damaged(path, "cut off", e);
    return 0;
}

int lock_init(struct lock *lock, const char *path, struct error *e)
{
    int r = check_file(path, e);

    if (r < 0)
        return r;
    *lock = (struct lock) { .path = path };
    /* No plugin is looked for because of a token's type, and nothing is printed. */
    crypt_token_external_disable();
    crypt_set_log_callback(NULL, remember, NULL);
    r = crypt_init(&lock->cd, path);
    if (r < 0)
        return error_set(e, r, "cannot open %s: %s", path, strerror(-r));
    crypt_set_log_callback(lock->cd, remember, lock);
    return 0;
}

static int load(struct lock *lock, struct error *e)
{
    int r = crypt_load(lock->cd, CRYPT_LUKS2, NULL);

    if (r == -ENOTSUP || r == -ETXTBSY)
        return error_set(e, -EPROTONOSUPPORT, "%s needs a newer cryptsetup: %s", lock->path, lock->message);
    if (r == -EINVAL)
        return lock_damaged(lock->path, lock->message[0] ? lock->message : "no LUKS2 header", e);
    if (r < 0)
        return lock_failed(lock, r, "read", e);
    if (crypt_get_volume_key_size(lock->cd) != KEK_SIZE)
        return lock_damaged(lock->path, "not made by a swarm manager", e);
    return 0;
}

int lock_load(struct lock *lock, const char *path, struct error *e)
{
    int r = lock_init(lock, path, e);

    if (r < 0)
        return r;
    r = load(lock, e);
    if (r < 0)
        lock_done(lock);
    return r;
}

bool lock_has(struct lock *lock, int slot)
{
    crypt_keyslot_info info = crypt_keyslot_status(lock->cd, slot);

    return info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST;
}

int lock_count(struct lock *lock)
{
    int n = 0;

    for (int slot = 0; slot < LOCK_SLOTS_MAX; slot++)
        n += lock_has(lock, slot);
    return n;
}

const char *lock_token_type(struct lock *lock, int slot)
{
    for (int id = 0; id < LOCK_SLOTS_MAX; id++) {
        const char *type = NULL;

        (void) crypt_token_status(lock->cd, id, &type);
        if (type && crypt_token_is_assigned(lock->cd, id, slot) == 0)
            return type;
    }
    return NULL;
}

const char *lock_token(struct lock *lock, int slot)
{
    for (int id = 0; id < LOCK_SLOTS_MAX; id++) {
        const char *type = NULL, *json;

        (void) crypt_token_status(lock->cd, id, &type);
        if (type && strcmp(type, KEYSLOT_TOKEN_TYPE) != 0 && crypt_token_is_assigned(lock->cd, id, slot) == 0 &&
            crypt_token_json_get(lock->cd, id, &json) >= 0)
            return json;
    }
    return NULL;
}

int lock_try(struct lock *lock, int slot, const struct secret *passphrase, struct secret *ret_kek)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    size_t size = KEK_SIZE;
    int r = secret_new(KEK_SIZE, &kek);

    if (r < 0)
        return r;
    r = crypt_volume_key_get(lock->cd, slot, (char *) kek.data, &size, (const char *) passphrase->data, passphrase->size);
    if (r < 0)
        return r;
    if (size != KEK_SIZE)
        return -EPERM;
    *ret_kek = secret_take(&kek);
    return 0;
}

uint32_t lock_new_cost(enum keyslot_stretch stretch)
{
    /* Never the round number, which others choose. */
    return 1 + (stretch == STRETCH_HUMAN ? ARGON2_KIB + randombytes_uniform(ARGON2_SPREAD)
                                         : ITERATIONS_MIN + randombytes_uniform(ITERATIONS_SPREAD));
}

bool lock_has_cost(struct lock *lock, int slot, uint32_t cost)
{
    struct crypt_pbkdf_type pbkdf;

    if (crypt_keyslot_get_pbkdf(lock->cd, slot, &pbkdf) < 0)
        return false;
    return cost == (strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) == 0 ? pbkdf.iterations : pbkdf.max_memory_kb);
}

int lock_set_pbkdf(struct lock *lock, enum keyslot_stretch stretch, uint32_t cost)
{
    static const struct crypt_pbkdf_type key = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .flags = CRYPT_PBKDF_NO_BENCHMARK };
    static const struct crypt_pbkdf_type human = {
        .type = CRYPT_KDF_ARGON2ID,
        .hash = "sha256",
        .iterations = ARGON2_PASSES,
        .parallel_threads = 1,
        .flags = CRYPT_PBKDF_NO_BENCHMARK,
    };
    struct crypt_pbkdf_type pbkdf = stretch == STRETCH_HUMAN ? human : key;

    *(stretch == STRETCH_HUMAN ? &pbkdf.max_memory_kb : &pbkdf.iterations) = cost;
    return crypt_set_pbkdf_type(lock->cd, &pbkdf);
}

int lock_fill(struct lock *lock, int slot, const struct secret *kek, const struct secret *passphrase, enum keyslot_stretch stretch,
              uint32_t cost)
{
    int r = lock_set_pbkdf(lock, stretch, cost);

    if (r == 0)
        r = crypt_keyslot_set_encryption(lock->cd, "aes-xts-plain64", KEK_SIZE);
    if (r == 0)
        r = crypt_keyslot_add_by_volume_key(lock->cd, slot, (const char *) kek->data, kek->size, (const char *) passphrase->data,
                                            passphrase->size);
    return r < 0 ? r : 0;
}

static bool is_free(struct lock *lock, int slot)
{
    return crypt_keyslot_status(lock->cd, slot) == CRYPT_SLOT_INACTIVE;
}

/* Counts areas, not numbers: another tool's keyslot may have any number up to 31. */
int lock_count_free(struct lock *lock)
{
    int n = KEYSLOTS_MAX;

    for (int slot = 0; slot < LOCK_SLOTS_MAX; slot++)
        n -= !is_free(lock, slot);
    return n > 0 ? n : 0;
}

int lock_free_slot(struct lock *lock, struct error *e)
{
    for (int slot = KEYSLOTS_MAX - 1; lock_count_free(lock) > 0 && slot >= 0; slot--)
        if (is_free(lock, slot))
            return slot;
    return error_set(e, -ENOSPC, "%s has no free keyslot: remove one that is not needed with \"keyslot remove\"", lock->path);
}

/* Where the binary header keeps it, big-endian: libcryptsetup does not tell. */
int lock_sequence(const char *path, uint64_t *ret)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    unsigned char header[24];
    uint64_t sequence = 0;

    if (fd < 0 || flock(fd, LOCK_SH) < 0)
        return -errno;
    if (pread(fd, header, sizeof(header), 0) != (ssize_t) sizeof(header))
        return -EIO;
    for (int i = 16; i < 24; i++)
        sequence = sequence << 8 | header[i];
    *ret = sequence;
    return 0;
}

int lock_holds(struct lock *lock, const struct secret *kek, struct error *e)
{
    int r = crypt_volume_key_verify(lock->cd, (const char *) kek->data, kek->size);

    if (r < 0 && r != -EPERM)
        return lock_failed(lock, r, "read", e);
    return r != -EPERM;
}

int lock_change(const char *path, int (*change)(struct lock *lock, void *what, struct error *e), void *what, struct error *e)
{
    int r = -ESTALE;

    for (int i = 0; i < TRIES_MAX && r == -ESTALE; i++) {
        _cleanup_(lock_done) struct lock lock = { 0 };

        r = lock_load(&lock, path, e);
        if (r == 0)
            r = change(&lock, what, e);
    }
    return r == -ESTALE ? -EAGAIN : r;
}

static int read_area(const char *path, unsigned char *area, size_t size, uint64_t at)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_SH) < 0)
        return -errno;
    while (size > 0) {
        ssize_t n = pread(fd, area, size, (off_t) at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EBADMSG; /* cut off */
        area += n;
        at += (size_t) n;
        size -= (size_t) n;
    }
    return 0;
}

int lock_area_digest(struct lock *lock, int slot, char ret[static AREA_DIGEST_LEN + 1])
{
    _cleanup_free_ unsigned char *area = NULL;
    unsigned char digest[AREA_DIGEST_LEN / 2];
    uint64_t at, size;
    int r = crypt_keyslot_area(lock->cd, slot, &at, &size);

    if (r < 0)
        return r;
    if (size > AREA_SIZE_MAX || at > INT64_MAX - size)
        return -EMSGSIZE;
    area = malloc(size);
    if (!area)
        return -ENOMEM;
    r = read_area(lock->path, area, size, at);
    if (r < 0)
        return r;
    (void) crypto_generichash(digest, sizeof(digest), area, size, NULL, 0);
    (void) sodium_bin2hex(ret, AREA_DIGEST_LEN + 1, digest, sizeof(digest));
    return 0;
}
