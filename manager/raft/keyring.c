/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/keyring.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

struct keyring {
    uint32_t active;
    uint32_t n;
    uint32_t ids[KEYRING_MAX];
    unsigned char keys[KEYRING_MAX][KEYRING_KEY_SIZE];
};

struct keyring *keyring_new(void)
{
    struct keyring *k;

    if (sodium_init() < 0)
        return NULL;
    k = sodium_malloc(sizeof(*k));
    if (k)
        memset(k, 0, sizeof(*k));
    return k;
}

void keyring_free(struct keyring *k)
{
    sodium_free(k);
}

static bool ids_valid(const uint32_t ids[], unsigned n, uint32_t active)
{
    bool found = false;

    for (unsigned i = 0; i < n; i++) {
        if (ids[i] == 0)
            return false;
        for (unsigned j = 0; j < i; j++)
            if (ids[i] == ids[j])
                return false;
        found |= ids[i] == active;
    }
    return found;
}

int keyring_set(struct keyring *k, const uint32_t ids[], const unsigned char (*keys)[KEYRING_KEY_SIZE], unsigned n, uint32_t active)
{
    if (n == 0 || n > KEYRING_MAX || !ids_valid(ids, n, active))
        return -EINVAL;
    sodium_memzero(k, sizeof(*k));
    memcpy(k->ids, ids, n * sizeof(ids[0]));
    memcpy(k->keys, keys, n * sizeof(keys[0]));
    k->n = n;
    k->active = active;
    return 0;
}

uint32_t keyring_active(const struct keyring *k)
{
    return k->active;
}

const unsigned char *keyring_find(const struct keyring *k, uint32_t id)
{
    for (unsigned i = 0; i < k->n; i++)
        if (k->ids[i] == id)
            return k->keys[i];
    return NULL;
}

struct keyring *keyring_copy_active(const struct keyring *k)
{
    const unsigned char *key = keyring_find(k, k->active);
    struct keyring *copy = key ? keyring_new() : NULL;

    if (!copy)
        return NULL;
    copy->active = copy->ids[0] = k->active;
    memcpy(copy->keys[0], key, KEYRING_KEY_SIZE);
    copy->n = 1;
    return copy;
}

struct keyring *keyring_copy(const struct keyring *k)
{
    struct keyring *copy = keyring_new();

    if (copy)
        memcpy(copy, k, sizeof(*copy));
    return copy;
}
