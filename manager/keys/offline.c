/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/offline.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "keys/keyslots.h"

/* docs/FORMATS.md "Offline copies" */
#define MAGIC "SWARMOF"
#define VERSION 1
#define AT_VERSION 7
#define AT_STREAM 8
#define HEADER_SIZE (AT_STREAM + crypto_secretstream_xchacha20poly1305_HEADERBYTES)
#define LENGTH_SIZE 4
#define MORE crypto_secretstream_xchacha20poly1305_ABYTES /* bytes of a sealed record beyond the record's own */
#define RECORD_MAX (SECRET_MAX - 64)
#define CONTEXT "swarm-manager offline copies, version 1"

typedef crypto_secretstream_xchacha20poly1305_state stream;

static void stream_done(stream *s)
{
    sodium_memzero(s, sizeof(*s));
}

static int derive(const struct secret *kek, struct secret *ret)
{
    int r = kek->size == KEK_SIZE ? secret_new(crypto_secretstream_xchacha20poly1305_KEYBYTES, ret) : -EINVAL;

    if (r == 0)
        (void) crypto_generichash(ret->data, ret->size, (const unsigned char *) CONTEXT, strlen(CONTEXT), kek->data, kek->size);
    return r;
}

static int measure(const struct secret *const *records, size_t n, size_t *ret)
{
    size_t size = HEADER_SIZE;

    for (size_t i = 0; i < n; i++) {
        if (records[i]->size > RECORD_MAX)
            return -EMSGSIZE;
        size += LENGTH_SIZE + records[i]->size + MORE;
        if (size > OFFLINE_MAX)
            return -EMSGSIZE;
    }
    *ret = size;
    return n > 0 ? 0 : -EINVAL;
}

static unsigned char *push(stream *s, unsigned char *at, const unsigned char *header, const struct secret *record, bool last)
{
    const size_t size = record->size + MORE;

    for (int i = 0; i < LENGTH_SIZE; i++)
        *at++ = (unsigned char) (size >> (8 * i));
    (void) crypto_secretstream_xchacha20poly1305_push(s, at, NULL, record->data, record->size, header, HEADER_SIZE,
                                                      last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                                                           : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
    return at + size;
}

int offline_seal(const struct secret *kek, const struct secret *const *records, size_t n, void **ret, size_t *ret_size)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_(stream_done) stream s;
    unsigned char *bytes, *at;
    size_t size;
    int r = measure(records, n, &size);

    if (r == 0)
        r = derive(kek, &key);
    if (r != 0)
        return r;
    bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, MAGIC, AT_VERSION);
    bytes[AT_VERSION] = VERSION;
    (void) crypto_secretstream_xchacha20poly1305_init_push(&s, bytes + AT_STREAM, key.data);
    at = bytes + HEADER_SIZE;
    for (size_t i = 0; i < n; i++)
        at = push(&s, at, bytes, records[i], i + 1 == n);
    *ret = bytes;
    *ret_size = size;
    return 0;
}

/* The size of the next sealed record, 0 when there is none of a possible size. */
static size_t next_size(const unsigned char *at, size_t left)
{
    size_t size = 0;

    if (left < LENGTH_SIZE)
        return 0;
    for (int i = 0; i < LENGTH_SIZE; i++)
        size |= (size_t) at[i] << (8 * i);
    return size >= MORE && size - MORE <= RECORD_MAX && size <= left - LENGTH_SIZE ? size : 0;
}

static int pull(stream *s, const unsigned char *header, const unsigned char *sealed, size_t size, unsigned char *ret_tag, struct secret *ret)
{
    _cleanup_(secret_done) struct secret record = SECRET_NULL;
    int r = secret_new(size - MORE, &record);

    if (r < 0)
        return r;
    if (crypto_secretstream_xchacha20poly1305_pull(s, record.data, NULL, ret_tag, sealed, size, header, HEADER_SIZE) < 0)
        return -EBADMSG;
    *ret = secret_take(&record);
    return 0;
}

static int check_header(const unsigned char *bytes, size_t size)
{
    if (size < HEADER_SIZE || size > OFFLINE_MAX || memcmp(bytes, MAGIC, AT_VERSION) != 0 || bytes[AT_VERSION] == 0)
        return -EBADMSG;
    return bytes[AT_VERSION] > VERSION ? -EPROTONOSUPPORT : 0;
}

int offline_open(const struct secret *kek, const void *bytes, size_t size, int (*take)(void *data, size_t i, struct secret *record), void *data)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_(stream_done) stream s;
    const unsigned char *at = bytes, *end = at + size;
    unsigned char tag = 0;
    int r = check_header(bytes, size);

    if (r == 0)
        r = derive(kek, &key);
    if (r == 0 && crypto_secretstream_xchacha20poly1305_init_pull(&s, at + AT_STREAM, key.data) < 0)
        r = -EBADMSG;
    at += HEADER_SIZE;
    for (size_t i = 0; r == 0 && tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL; i++) {
        _cleanup_(secret_done) struct secret record = SECRET_NULL;
        size_t n = next_size(at, (size_t) (end - at));

        r = n == 0 ? -EBADMSG : pull(&s, bytes, at + LENGTH_SIZE, n, &tag, &record);
        if (r == -EBADMSG && i == 0 && n > 0)
            return -EKEYREJECTED;
        at += LENGTH_SIZE + n;
        if (r == 0)
            r = take(data, i, &record);
    }
    return r == 0 && at != end ? -EBADMSG : r < 0 ? r : 0;
}
