/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "keys/backup_private.h"

/* A secret on its way to its owner. */
struct plain {
    unsigned char *data;
    size_t size;
};

static void plain_done(struct plain *p)
{
    if (p->data)
        sodium_memzero(p->data, p->size);
    free(p->data);
}

static int damaged(struct error *e)
{
    return error_set(e, -EBADMSG, "the backup is damaged or incomplete; use another one");
}

/* As many of the bytes as the file has. */
static ssize_t read_at(int fd, unsigned char *data, size_t size, off_t at, struct error *e)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = pread(fd, data + got, size - got, at + (off_t) got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(e, -errno, "cannot read the backup: %s", strerror(errno));
        if (n == 0)
            break;
        got += (size_t) n;
    }
    return (ssize_t) got;
}

/* Magic and version stand first in all versions; nothing behind them is looked at before they fit. */
static int check_header(const unsigned char *bytes, size_t got, struct error *e)
{
    unsigned char sum[CHECKSUM_SIZE];

    if (got <= AT_VERSION || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0 || bytes[AT_VERSION] == 0)
        return error_set(e, -EINVAL, "this file is not a backup of a swarm; check its name");
    if (bytes[AT_VERSION] > VERSION)
        return error_set(e, -EPROTONOSUPPORT, "the backup has the format of a newer swarm-manager (%u, known is %u); update this one",
                         bytes[AT_VERSION], VERSION);
    if (got < HEADER_SIZE)
        return damaged(e);
    backup_checksum(bytes, sum);
    if (memcmp(sum, bytes + AT_CHECKSUM, CHECKSUM_SIZE) != 0 || !sodium_is_zero(bytes + AT_ZERO, AT_SALT - AT_ZERO))
        return damaged(e);
    return 0;
}

/* The header's bytes, what they say, and the number of bytes behind them. */
static int read_header(int fd, unsigned char *bytes, struct backup_header *ret, size_t *ret_rest, struct error *e)
{
    const uint64_t chunks = BACKUP_SNAPSHOT_MAX / CHUNK_SIZE;
    struct backup_header header = {};
    struct stat st;
    ssize_t got;
    int r;

    if (fstat(fd, &st) < 0)
        return error_set(e, -errno, "cannot read the backup: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(e, -EINVAL, "a backup is a regular file, and this is none; check its name");
    got = read_at(fd, bytes, HEADER_SIZE, 0, e);
    if (got < 0)
        return (int) got;
    r = check_header(bytes, (size_t) got, e);
    if (r < 0)
        return r;
    for (int i = 0; i < 4; i++)
        header.generation |= (uint32_t) bytes[AT_GENERATION + i] << (8 * i);
    memcpy(header.swarm_id, bytes + AT_SWARM_ID, SWARM_ID_LEN);
    if (!backup_is_swarm_id(header.swarm_id) || st.st_size < HEADER_SIZE)
        return damaged(e);
    if ((uint64_t) st.st_size > HEADER_SIZE + chunks * SEALED_CHUNK_SIZE)
        return error_set(e, -EMSGSIZE, "the backup has more than %u MiB: not one that was made by this program", BACKUP_SNAPSHOT_MAX >> 20);
    *ret = header;
    *ret_rest = (size_t) st.st_size - HEADER_SIZE;
    return 0;
}

int backup_read_header(int fd, struct backup_header *ret, struct error *e)
{
    unsigned char bytes[HEADER_SIZE];
    size_t rest;

    return read_header(fd, bytes, ret, &rest, e);
}

/* How many bytes so many sealed ones hold, or -EBADMSG: the last chunk has at least a tag, and more than that when it is not the only one. */
static ssize_t plain_size(size_t sealed)
{
    size_t full = sealed / SEALED_CHUNK_SIZE, rest = sealed % SEALED_CHUNK_SIZE;

    if (rest == 0)
        return full > 0 ? (ssize_t) (full * CHUNK_SIZE) : -EBADMSG;
    if (rest < TAG_SIZE || (rest == TAG_SIZE && full > 0))
        return -EBADMSG;
    return (ssize_t) (full * CHUNK_SIZE + rest - TAG_SIZE);
}

static int read_chunks(int fd, backup_stream *s, const unsigned char *header, size_t sealed_size, unsigned char *to, struct error *e)
{
    _cleanup_free_ unsigned char *sealed = malloc(SEALED_CHUNK_SIZE);
    unsigned char tag;

    if (!sealed)
        return error_set(e, -ENOMEM, "cannot read the backup: out of memory");
    for (size_t at = 0; at < sealed_size; at += SEALED_CHUNK_SIZE) {
        bool last = sealed_size - at <= SEALED_CHUNK_SIZE;
        size_t n = last ? sealed_size - at : SEALED_CHUNK_SIZE;
        ssize_t got = read_at(fd, sealed, n, (off_t) (HEADER_SIZE + at), e);

        if (got < 0)
            return (int) got;
        if ((size_t) got < n || crypto_secretstream_xchacha20poly1305_pull(s, to, NULL, &tag, sealed, n, header, HEADER_SIZE) != 0 ||
            tag != (last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE))
            return damaged(e);
        to += n - TAG_SIZE;
    }
    return 0;
}

/* Begins the stream with the key that the header asks for. */
static int open_stream(const struct secret *unlock_key, const struct backup_header *header, const unsigned char *bytes, backup_stream *ret,
                       struct error *e)
{
    _cleanup_(secret_done) struct secret keys = SECRET_NULL;
    int r;

    r = backup_derive(unlock_key, bytes, &keys);
    if (r == -EINVAL)
        return error_set(e, r, "cannot read the backup: the unlock key has no valid form");
    if (r < 0)
        return error_set(e, r, "cannot read the backup: %s", strerror(-r));
    if (sodium_memcmp(keys.data + STREAM_KEY_SIZE, bytes + AT_KEY_CHECK, KEY_CHECK_SIZE) != 0)
        return error_set(e, -EKEYREJECTED, "the backup was sealed with another unlock key; give that of generation %u of swarm %s",
                         header->generation, header->swarm_id);
    if (crypto_secretstream_xchacha20poly1305_init_pull(ret, bytes + AT_STREAM, keys.data) != 0)
        return damaged(e);
    return 0;
}

int backup_read(int fd, const struct secret *unlock_key, struct backup_header *ret_header, void **ret_snapshot, size_t *ret_size,
                struct error *e)
{
    _cleanup_(plain_done) struct plain plain = {};
    _cleanup_(backup_stream_done) backup_stream s;
    unsigned char bytes[HEADER_SIZE];
    struct backup_header header = {};
    size_t sealed_size = 0;
    ssize_t size;
    int r;

    r = read_header(fd, bytes, &header, &sealed_size, e);
    if (r == 0)
        r = open_stream(unlock_key, &header, bytes, &s, e);
    if (r < 0)
        return r;
    size = plain_size(sealed_size);
    if (size < 0)
        return damaged(e);
    plain = (struct plain) { calloc(1, (size_t) size + 1), (size_t) size };
    if (!plain.data)
        return error_set(e, -ENOMEM, "cannot read the backup: out of memory");
    r = read_chunks(fd, &s, bytes, sealed_size, plain.data, e);
    if (r < 0)
        return r;
    *ret_header = header;
    *ret_snapshot = TAKE_PTR(plain.data);
    *ret_size = (size_t) size;
    return 0;
}
