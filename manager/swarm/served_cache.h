/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/secret.h"
#include "peer/peer.pb-c.h"
#include "store/store.h"

/* A worker's copies of what its units may load, in locked memory and nowhere else. */

#define SERVED_CACHE_MAX (64U * 1024 * 1024) /* bytes in all */

struct served_copy {
    uint32_t kind;
    char object_id[STORE_ID_LEN + 1];
    uint64_t revision;
    struct secret data;
};

struct served_cache {
    struct served_copy *copies;
    size_t n, bytes;
};

const struct secret *served_cache_get(const struct served_cache *c, uint32_t kind, const char *object_id, uint64_t revision);
/* That revision, or as long as it has not come the newest there is; ret_revision may be NULL. NULL: none. */
const struct secret *served_cache_find(const struct served_cache *c, uint32_t kind, const char *object_id, uint64_t revision,
                                       uint64_t *ret_revision);
/* Takes data on success. -ENOSPC over SERVED_CACHE_MAX, -ENOMEM. One that is there already is kept. */
int served_cache_put(struct served_cache *c, uint32_t kind, const char *object_id, uint64_t revision, struct secret *data);
/* Drops what the manifest does not name; of an object whose newest revision has not come yet the one before stays. */
void served_cache_keep(struct served_cache *c, const Peer__Manifest *m);
void served_cache_done(struct served_cache *c);
