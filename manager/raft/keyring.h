/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#define KEYRING_MAX 8
#define KEYRING_KEY_SIZE 32

/* The data encryption keys by id, in locked memory; new records use the active one. */
struct keyring;

struct keyring *keyring_new(void);
void keyring_free(struct keyring *k);

/* Replaces all keys: n ids (never 0) and n × KEYRING_KEY_SIZE bytes. -EINVAL when active is not among them. */
int keyring_set(struct keyring *k, const uint32_t ids[], const unsigned char (*keys)[KEYRING_KEY_SIZE], unsigned n, uint32_t active);

uint32_t keyring_active(const struct keyring *k);
/* NULL when unknown. */
const unsigned char *keyring_find(const struct keyring *k, uint32_t id);

/* A keyring of its own that holds the active key alone, for a worker thread. NULL: out of memory, or there is no active key. */
struct keyring *keyring_copy_active(const struct keyring *k);
/* All keys. NULL: out of memory. */
struct keyring *keyring_copy(const struct keyring *k);
