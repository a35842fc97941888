/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/cleanup.h"
#include "peer/peer.pb-c.h"
#include "store/service.h"

/* What the units of one node may load, as the store has it: its own node's on a manager, any node's on the leader. */

#define MANIFEST_DIGEST_SIZE 32
#define MANIFEST_MAX (1536U * 1024) /* packed */

/* A copy, freed with manifest_free. A node that the store does not know may load nothing. -EMSGSIZE, -ENOMEM. */
int manifest_make(const struct store *store, const char *node_id, Peer__Manifest **ret);
/* NULL: out of memory. */
Peer__Manifest *manifest_copy(const Peer__Manifest *m);
void manifest_free(Peer__Manifest *m);
DEFINE_CLEANUP(Peer__Manifest *, manifest_free)

bool manifest_is(const Peer__Manifest *m, const ProtobufCBinaryData *digest);
/* Whether a manifest that came from elsewhere can be used: no field is longer than the store has them. */
bool manifest_is_valid(const Peer__Manifest *m);
/* Whether m (which may be NULL) grants that revision of the object to any unit. */
bool manifest_grants(const Peer__Manifest *m, uint32_t kind, const char *object_id, uint64_t revision);

/* The grant for a unit's credential; when services overlap, the one with the unit's whole name, then the longest pattern, then the first by id.
 * NULL. ret_service may be NULL. */
const Peer__ServedGrant *manifest_find(const Peer__Manifest *m, const char *unit, const char *credential, const Peer__ServedService **ret_service);
