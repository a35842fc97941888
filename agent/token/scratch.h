/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libcryptsetup.h>

#include "basic/error.h"
#include "basic/secret.h"

/* A LUKS2 header in memory: a token's plugin, and systemd-cryptenroll, know tokens only as a part of one. */
struct scratch {
    int fd;
    char path[32]; /* for this process and the children that inherit fd */
    struct crypt_device *cd;
};

#define SCRATCH_NULL ((struct scratch) { .fd = -1 })

/* Without keyslots. */
int scratch_new(struct scratch *ret, struct error *e);
void scratch_done(struct scratch *s);

/* A token assigned to no keyslot; returns its number. -EINVAL when its plugin finds it invalid. */
int scratch_put_token(struct scratch *s, const char *json, struct error *e);

/* Keyslot 0 opens with key, which must be random: it is not stretched. */
int scratch_add_key(struct scratch *s, const struct secret *key, struct error *e);

/* After another process has changed it. */
int scratch_reload(struct scratch *s, struct error *e);

/* The first token of a type, and the keyslot it belongs to. Returns the token's number. -ENOENT. */
int scratch_find(struct scratch *s, const char *type, int *ret_slot);

/* 0, -EKEYREJECTED. */
int scratch_try(struct scratch *s, int slot, const struct secret *passphrase);
