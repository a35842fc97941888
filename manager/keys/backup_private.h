/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sodium.h>
#include <stdbool.h>

#include "keys/backup.h"

/* What writing and reading share. */

/* docs/FORMATS.md "Backup" */
#define MAGIC "SWARMBK"
#define MAGIC_SIZE 7
#define VERSION 1
#define AT_VERSION 7
#define AT_GENERATION 8
#define AT_SWARM_ID 12
#define SWARM_ID_LEN (BACKUP_SWARM_ID_SIZE - 1)
#define AT_ZERO (AT_SWARM_ID + SWARM_ID_LEN)
#define AT_SALT 40
#define SALT_SIZE 32
#define AT_KEY_CHECK 72
#define KEY_CHECK_SIZE 32
#define AT_STREAM 104
#define AT_CHECKSUM 128
#define CHECKSUM_SIZE 32
#define HEADER_SIZE 160
#define STREAM_KEY_SIZE crypto_secretstream_xchacha20poly1305_KEYBYTES
#define CHUNK_SIZE (64U * 1024)
#define TAG_SIZE crypto_secretstream_xchacha20poly1305_ABYTES
#define SEALED_CHUNK_SIZE (CHUNK_SIZE + TAG_SIZE)

typedef crypto_secretstream_xchacha20poly1305_state backup_stream;

static inline void backup_stream_done(backup_stream *s)
{
    sodium_memzero(s, sizeof(*s));
}

bool backup_is_swarm_id(const char *id);

/* The stream's key and behind it the key check, from the unlock key and the header's salt. -EINVAL not an unlock key's size, -ENOMEM. */
int backup_derive(const struct secret *unlock_key, const unsigned char header[static HEADER_SIZE], struct secret *ret);

/* Of what stands before it. */
void backup_checksum(const unsigned char header[static HEADER_SIZE], unsigned char ret[static CHECKSUM_SIZE]);
