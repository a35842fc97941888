/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/credential.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "basic/file.h"
#include "basic/unix_socket.h"

#define NAME_LEN_MAX 80
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#ifndef HELPER_TIMEOUT_MS /* a test does not wait as long */
#define HELPER_TIMEOUT_MS 30000
#endif
#define RETRY_MS 20

/* What a credential begins with: which key protects it (systemd 257, src/shared/creds-util.h). Not here, and so refused: the null key
 * 058469da…, the keys scoped to a user, with which the system manager cannot load it, and what newer systemds may add. */
static const unsigned char key_types[][16] = {
    { 0x5a, 0x1c, 0x6a, 0x86, 0xdf, 0x9d, 0x40, 0x96, 0xb1, 0xd5, 0xa6, 0x5e, 0x08, 0x62, 0xf1, 0x9a }, /* host */
    { 0x0c, 0x7c, 0xc0, 0x7b, 0x11, 0x76, 0x45, 0x91, 0x9c, 0x4b, 0x0b, 0xea, 0x08, 0xbc, 0x20, 0xfe }, /* tpm2 */
    { 0xfa, 0xf7, 0xeb, 0x93, 0x41, 0xe3, 0x41, 0x2c, 0xa1, 0xa4, 0x36, 0xf9, 0x5a, 0x29, 0x36, 0x2f }, /* tpm2-with-public-key */
    { 0x93, 0xa8, 0x94, 0x09, 0x48, 0x74, 0x44, 0x90, 0x90, 0xca, 0xf2, 0xfc, 0x93, 0xca, 0xb5, 0x53 }, /* host+tpm2 */
    { 0xaf, 0x49, 0x50, 0xa8, 0x49, 0x13, 0x4e, 0xb1, 0xa7, 0x38, 0x46, 0x30, 0x4f, 0xf3, 0x0c, 0x05 }, /* …-with-public-key */
};

/* The type, then four little-endian sizes: key, cipher block, IV, tag; then the IV. All types above are AES-256-GCM. */
#define TYPE_SIZE sizeof(key_types[0])
#define HEADER_SIZE (TYPE_SIZE + 4 * 4)
static const unsigned char gcm_sizes[16] = { 32, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0 };
#define SEALED_BIN_MIN (HEADER_SIZE + 12 + 16)

static bool name_is_valid(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n <= NAME_LEN_MAX && strspn(name, NAME_CHARACTERS) == n && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int credential_load(const char *name, struct secret *ret, struct error *e)
{
    const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX];
    int r;

    if (!name_is_valid(name))
        return error_set(e, -EINVAL, "a credential's name has 1 to %d characters of A-Z a-z 0-9 _ . -", NAME_LEN_MAX);
    if (!folder)
        return error_set(e, -ENOENT, "systemd passed no credential %s: see LoadCredentialEncrypted= in the unit", name);
    if (folder[0] != '/')
        return error_set(e, -EINVAL, "$CREDENTIALS_DIRECTORY is no absolute path");
    r = path_join(path, folder, name);
    if (r < 0)
        return error_set(e, r, "$CREDENTIALS_DIRECTORY is too long");
    return file_read(path, CREDENTIAL_PLAIN_MAX, ret, e);
}

/* libsodium 1.0.18 skips NULs along with newlines, and takes bytes from 0x80 on as digits. */
static bool is_text(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == 0 || p[i] >= 0x80)
            return false;
    return true;
}

int credential_check_sealed(const void *sealed, size_t size)
{
    _cleanup_free_ unsigned char *bin = NULL;
    size_t n;

    if (size == 0 || size > CREDENTIAL_SEALED_MAX || !is_text(sealed, size))
        return -EBADMSG;
    bin = malloc(size);
    if (!bin)
        return -ENOMEM;
    if (sodium_base642bin(bin, size, sealed, size, "\n", &n, NULL, sodium_base64_VARIANT_ORIGINAL) < 0)
        return -EBADMSG;
    if (n < SEALED_BIN_MIN || memcmp(bin + TYPE_SIZE, gcm_sizes, sizeof(gcm_sizes)) != 0)
        return -EBADMSG;
    for (size_t i = 0; i < ELEMENTSOF(key_types); i++)
        if (memcmp(bin, key_types[i], TYPE_SIZE) == 0)
            return 0;
    return -EBADMSG;
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits at most until the deadline for events on fd. */
static int wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = { .fd = fd, .events = events };

    for (;;) {
        int64_t left = deadline - now_ms();
        int r = left > 0 ? poll(&p, 1, (int) left) : 0;

        if (r == 0)
            return -ETIMEDOUT;
        if (r > 0)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

static int helper_connect(const char *helper, int64_t deadline)
{
    int fd;

    while ((fd = unix_connect(helper, SOCK_STREAM)) == -EAGAIN || fd == -EINTR) {
        /* The backlog is full, and a UNIX socket has no event for that. */
        if (now_ms() + RETRY_MS >= deadline)
            return -ETIMEDOUT;
        (void) poll(NULL, 0, RETRY_MS);
    }
    return fd;
}

static int helper_send(int fd, const struct secret *plain, int64_t deadline)
{
    for (size_t done = 0; done < plain->size;) {
        ssize_t n = send(fd, plain->data + done, plain->size - done, MSG_NOSIGNAL);

        if (n >= 0) {
            done += (size_t) n;
        } else if (errno == EAGAIN) {
            int r = wait_for(fd, POLLOUT, deadline);

            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

/* Reads to the end of the stream into a buffer of max bytes; more than that is -EMSGSIZE. Returns how many. */
static ssize_t helper_receive(int fd, char *buffer, size_t max, int64_t deadline)
{
    size_t got = 0;

    for (;;) {
        char more;
        ssize_t n = got < max ? recv(fd, buffer + got, max - got, 0) : recv(fd, &more, 1, 0);

        if (n == 0)
            return (ssize_t) got;
        if (n > 0 && got == max)
            return -EMSGSIZE;
        if (n > 0) {
            got += (size_t) n;
        } else if (errno == EAGAIN) {
            int r = wait_for(fd, POLLIN, deadline);

            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

static ssize_t seal(const char *helper, const struct secret *plain, char *buffer, size_t max)
{
    int64_t deadline = now_ms() + HELPER_TIMEOUT_MS;
    _cleanup_close_ int fd = helper_connect(helper, deadline);
    int r = fd < 0 ? fd : helper_send(fd, plain, deadline);

    return r < 0 ? r : helper_receive(fd, buffer, max, deadline);
}

int credential_store(const char *helper, const char *path, const char *temporary_folder, const struct secret *plain, struct error *e)
{
    _cleanup_free_ char *sealed = NULL;
    ssize_t n;
    int r;

    if (plain->size > CREDENTIAL_PLAIN_MAX)
        return error_set(e, -EMSGSIZE, "%s: a credential has at most %u bytes", path, CREDENTIAL_PLAIN_MAX);
    sealed = malloc(CREDENTIAL_SEALED_MAX);
    if (!sealed)
        return error_set(e, -ENOMEM, "out of memory");
    n = seal(helper, plain, sealed, CREDENTIAL_SEALED_MAX);
    if (n < 0)
        return error_set(e, (int) n, "cannot have %s sealed through %s: %s; look at 'systemctl status swarm-seal.socket'", path, helper,
                         strerror((int) -n));
    r = credential_check_sealed(sealed, (size_t) n);
    if (r == -EBADMSG)
        return error_set(e, r, "%s is not written: what %s returned is %s; look at 'journalctl -u \"swarm-seal@*\"'", path, helper,
                         n == 0 ? "empty" : "no credential that this machine's host key or TPM2 protects");
    if (r < 0)
        return error_set(e, r, "cannot write %s: %s", path, strerror(-r));
    return file_replace(temporary_folder, path, sealed, (size_t) n, 0600, e);
}
