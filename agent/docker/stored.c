/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/stored.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "basic/cleanup.h"
#include "keys/offline.h"
#include "keys/unlock_key.h"

/* docs/FORMATS.md "Docker's keys" */
#define MAGIC "SWARMDK"
#define VERSION 1
#define AT_VERSION 7
#define AT_LENGTH 8
#define AT_SOCKET 9
#define AT_FLAGS 4
#define AT_TEXT 5
#define RECORD_SIZE (AT_TEXT + UNLOCK_KEY_TEXT_LEN)
#define FLAG_STARTED 0x01

void stored_keys_done(struct stored_keys *keys)
{
    for (unsigned i = 0; i < keys->n; i++)
        secret_done(&keys->k[i].text);
    keys->n = 0;
}

int stored_socket(const struct secret *blob, char *ret_socket)
{
    size_t length;

    if (blob->size < AT_SOCKET || memcmp(blob->data, MAGIC, AT_VERSION) != 0 || blob->data[AT_VERSION] == 0)
        return -EBADMSG;
    if (blob->data[AT_VERSION] > VERSION)
        return -EPROTONOSUPPORT;
    length = blob->data[AT_LENGTH];
    if (length == 0 || length >= ENGINE_SOCKET_MAX || blob->size < AT_SOCKET + length || blob->data[AT_SOCKET] != '/' ||
        memchr(blob->data + AT_SOCKET, 0, length))
        return -EBADMSG;
    memcpy(ret_socket, blob->data + AT_SOCKET, length);
    ret_socket[length] = '\0';
    return 0;
}

static int record_new(const struct stored_key *key, struct secret *ret)
{
    int r = key->text.size == UNLOCK_KEY_TEXT_LEN ? secret_new(RECORD_SIZE, ret) : -EINVAL;

    if (r < 0)
        return r;
    for (unsigned i = 0; i < AT_FLAGS; i++)
        ret->data[i] = (unsigned char) (key->generation >> (8 * i));
    ret->data[AT_FLAGS] = key->started ? FLAG_STARTED : 0;
    memcpy(ret->data + AT_TEXT, key->text.data, UNLOCK_KEY_TEXT_LEN);
    return 0;
}

static int join(const char *socket, const void *sealed, size_t size, struct secret *ret)
{
    size_t length = strlen(socket);
    int r = secret_new(AT_SOCKET + length + size, ret);

    if (r < 0)
        return r;
    memcpy(ret->data, MAGIC, AT_VERSION);
    ret->data[AT_VERSION] = VERSION;
    ret->data[AT_LENGTH] = (unsigned char) length;
    memcpy(ret->data + AT_SOCKET, socket, length);
    memcpy(ret->data + AT_SOCKET + length, sealed, size);
    return 0;
}

int stored_seal(const char *socket, const struct stored_keys *keys, const struct secret *kek, struct secret *ret_blob)
{
    struct secret records[STORED_KEYS_MAX] = { SECRET_NULL };
    const struct secret *pointers[STORED_KEYS_MAX];
    _cleanup_free_ void *sealed = NULL;
    size_t size = 0;
    int r = 0;

    for (unsigned i = 0; i < keys->n && r == 0; i++) {
        r = record_new(&keys->k[i], &records[i]);
        pointers[i] = &records[i];
    }
    if (r == 0)
        r = offline_seal(kek, pointers, keys->n, &sealed, &size);
    for (unsigned i = 0; i < keys->n; i++)
        secret_done(&records[i]);
    return r != 0 ? r : join(socket, sealed, size, ret_blob);
}

/* As text that cannot be anything else than a key where it is put. */
static bool is_key(const struct secret *text)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, canonical = SECRET_NULL;

    return unlock_key_parse(text->data, text->size, &key) == 0 && unlock_key_format(&key, &canonical) == 0 && canonical.size == text->size &&
           sodium_memcmp(canonical.data, text->data, text->size) == 0;
}

static int take(void *data, size_t i, struct secret *record)
{
    struct stored_keys *keys = data;
    struct stored_key key = { .generation = 0 };
    int r;

    if (i >= STORED_KEYS_MAX || record->size != RECORD_SIZE || (record->data[AT_FLAGS] & ~FLAG_STARTED))
        return -EBADMSG;
    key.started = record->data[AT_FLAGS] & FLAG_STARTED;
    for (unsigned n = 0; n < AT_FLAGS; n++)
        key.generation |= (uint32_t) record->data[n] << (8 * n);
    if (key.generation == 0 || (i > 0 && key.generation >= keys->k[i - 1].generation))
        return -EBADMSG;
    r = secret_copy(record->data + AT_TEXT, UNLOCK_KEY_TEXT_LEN, &key.text);
    if (r < 0)
        return r;
    keys->k[keys->n++] = key;
    return is_key(&key.text) ? 0 : -EBADMSG;
}

int stored_open(const struct secret *blob, const struct secret *kek, struct stored_keys *ret)
{
    _cleanup_(stored_keys_done) struct stored_keys keys = { .n = 0 };
    char socket[ENGINE_SOCKET_MAX];
    size_t head;
    int r = stored_socket(blob, socket);

    if (r < 0)
        return r;
    head = AT_SOCKET + strlen(socket);
    r = offline_open(kek, blob->data + head, blob->size - head, take, &keys);
    if (r < 0)
        return r;
    *ret = keys;
    keys.n = 0;
    return 0;
}

static void drop(struct stored_keys *keys, unsigned i)
{
    secret_done(&keys->k[i].text);
    memmove(&keys->k[i], &keys->k[i + 1], (keys->n - i - 1) * sizeof(keys->k[0]));
    keys->n--;
}

int stored_keys_add(struct stored_keys *keys, const struct secret *text)
{
    struct stored_key key = { .generation = keys->n > 0 ? keys->k[0].generation + 1 : 1 };
    int former = stored_keys_find(keys, text), r = secret_copy(text->data, text->size, &key.text);

    if (r < 0)
        return r;
    if (former >= 0)
        drop(keys, (unsigned) former);
    if (keys->n == STORED_KEYS_MAX)
        drop(keys, keys->k[keys->n - 1].started ? keys->n - 2 : keys->n - 1);
    memmove(&keys->k[1], &keys->k[0], keys->n * sizeof(keys->k[0]));
    keys->k[0] = key;
    keys->n++;
    return 0;
}

void stored_keys_started(struct stored_keys *keys, unsigned i)
{
    while (keys->n > i + 1)
        drop(keys, keys->n - 1);
    keys->k[i].started = true;
}

int stored_keys_find(const struct stored_keys *keys, const struct secret *text)
{
    for (unsigned i = 0; i < keys->n; i++)
        if (keys->k[i].text.size == text->size && sodium_memcmp(keys->k[i].text.data, text->data, text->size) == 0)
            return (int) i;
    return -ENOENT;
}
