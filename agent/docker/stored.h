/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/secret.h"
#include "docker/engine.h"

/* The Engine's unlock keys as they are stored, docs/FORMATS.md "Docker's keys". */

#define STORED_KEYS_MAX 8

struct stored_key {
    uint32_t generation; /* our count, from 1 */
    bool started;        /* the Engine was seen to start with it */
    struct secret text;
};

/* The newest first. */
struct stored_keys {
    unsigned n;
    struct stored_key k[STORED_KEYS_MAX];
};

void stored_keys_done(struct stored_keys *keys);

/* What stands in front of the keys in clear: which Engine. ret_socket has ENGINE_SOCKET_MAX bytes. -EBADMSG, -EPROTONOSUPPORT. */
int stored_socket(const struct secret *blob, char *ret_socket);

int stored_seal(const char *socket, const struct stored_keys *keys, const struct secret *kek, struct secret *ret_blob);

/* -EKEYREJECTED: not sealed under this KEK, or changed; -EBADMSG, -EPROTONOSUPPORT. */
int stored_open(const struct secret *blob, const struct secret *kek, struct stored_keys *ret);

/* Puts a key in front, where it may have been further behind; in the place of the oldest that the Engine was not seen to start with when there is no room. */
int stored_keys_add(struct stored_keys *keys, const struct secret *text);

/* The Engine has started with the key at i: older ones go. */
void stored_keys_started(struct stored_keys *keys, unsigned i);

/* Where that text is, -ENOENT. */
int stored_keys_find(const struct stored_keys *keys, const struct secret *text);
