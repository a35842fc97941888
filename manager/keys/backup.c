/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/backup.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "keys/backup_private.h"
#include "keys/unlock_key.h"

#define CONTEXT "swarm-manager backup, version 1"
#define CONTEXT_SIZE (sizeof(CONTEXT) - 1)

static_assert(AT_STREAM + crypto_secretstream_xchacha20poly1305_HEADERBYTES == AT_CHECKSUM, "the stream's header fits");
static_assert(STREAM_KEY_SIZE + KEY_CHECK_SIZE == crypto_generichash_BYTES_MAX, "one hash gives both");
static_assert(UNLOCK_KEY_SIZE >= crypto_generichash_KEYBYTES_MIN, "an unlock key is a key for BLAKE2b");

bool backup_is_swarm_id(const char *id)
{
    return strnlen(id, BACKUP_SWARM_ID_SIZE) == SWARM_ID_LEN && strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz") == SWARM_ID_LEN;
}

int backup_derive(const struct secret *unlock_key, const unsigned char header[static HEADER_SIZE], struct secret *ret)
{
    _cleanup_(secret_done) struct secret keys = SECRET_NULL;
    unsigned char message[CONTEXT_SIZE + SALT_SIZE];
    int r;

    if (unlock_key->size != UNLOCK_KEY_SIZE)
        return -EINVAL;
    r = secret_new(crypto_generichash_BYTES_MAX, &keys);
    if (r < 0)
        return r;
    memcpy(message, CONTEXT, CONTEXT_SIZE);
    memcpy(message + CONTEXT_SIZE, header + AT_SALT, SALT_SIZE);
    (void) crypto_generichash(keys.data, keys.size, message, sizeof(message), unlock_key->data, unlock_key->size);
    *ret = secret_take(&keys);
    return 0;
}

void backup_checksum(const unsigned char header[static HEADER_SIZE], unsigned char ret[static CHECKSUM_SIZE])
{
    (void) crypto_generichash(ret, CHECKSUM_SIZE, header, AT_CHECKSUM, NULL, 0);
}

/* Fills the header and begins the stream. */
static int begin(const struct backup_header *header, const struct secret *unlock_key, unsigned char *bytes, backup_stream *ret)
{
    _cleanup_(secret_done) struct secret keys = SECRET_NULL;
    int r;

    memset(bytes, 0, HEADER_SIZE);
    memcpy(bytes, MAGIC, MAGIC_SIZE);
    bytes[AT_VERSION] = VERSION;
    for (int i = 0; i < 4; i++)
        bytes[AT_GENERATION + i] = (unsigned char) (header->generation >> (8 * i));
    memcpy(bytes + AT_SWARM_ID, header->swarm_id, SWARM_ID_LEN);
    randombytes_buf(bytes + AT_SALT, SALT_SIZE);
    r = backup_derive(unlock_key, bytes, &keys);
    if (r < 0)
        return r;
    memcpy(bytes + AT_KEY_CHECK, keys.data + STREAM_KEY_SIZE, KEY_CHECK_SIZE);
    (void) crypto_secretstream_xchacha20poly1305_init_push(ret, bytes + AT_STREAM, keys.data);
    backup_checksum(bytes, bytes + AT_CHECKSUM);
    return 0;
}

static int write_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t) n;
    }
    return 0;
}

static int write_chunks(int fd, backup_stream *s, const unsigned char *header, const unsigned char *data, size_t size)
{
    _cleanup_free_ unsigned char *sealed = malloc(SEALED_CHUNK_SIZE);
    bool last;

    if (!sealed)
        return -ENOMEM;
    do {
        size_t n = size < CHUNK_SIZE ? size : CHUNK_SIZE;
        int r;

        last = n == size;
        (void) crypto_secretstream_xchacha20poly1305_push(s, sealed, NULL, data, n, header, HEADER_SIZE,
                                                          last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL :
                                                                 crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
        r = write_all(fd, sealed, n + TAG_SIZE);
        if (r < 0)
            return r;
        size -= n;
        if (!last) /* nothing at all may be NULL */
            data += n;
    } while (!last);
    return 0;
}

int backup_write(int fd, const struct backup_header *header, const struct secret *unlock_key, const void *snapshot, size_t size,
                 struct error *e)
{
    _cleanup_(backup_stream_done) backup_stream s;
    unsigned char bytes[HEADER_SIZE];
    int r;

    if (unlock_key->size != UNLOCK_KEY_SIZE || !backup_is_swarm_id(header->swarm_id))
        return error_set(e, -EINVAL, "cannot write the backup: the unlock key or the swarm's id has no valid form");
    if (size > BACKUP_SNAPSHOT_MAX)
        return error_set(e, -EMSGSIZE, "cannot write the backup: the swarm's state has more than %u MiB", BACKUP_SNAPSHOT_MAX >> 20);
    r = begin(header, unlock_key, bytes, &s);
    if (r == 0)
        r = write_all(fd, bytes, sizeof(bytes));
    if (r == 0)
        r = write_chunks(fd, &s, bytes, snapshot, size);
    return r < 0 ? error_set(e, r, "cannot write the backup: %s", strerror(-r)) : 0;
}
