/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/cleanup.h"
#include "store/store.pb-c.h"

/* The replicated state: objects by id and name, changed by commands only. Pure: the same commands give the same state everywhere; times and
 * ids come in the commands. Pointers into the store are valid until the next store_apply or store_restore. Memory is erased when freed. */
struct store;

#define STORE_SECRET_MAX (500U * 1024)
#define STORE_CONFIG_MAX (1000U * 1024)
#define STORE_NAME_MAX 64
#define STORE_LABELS_MAX 64
#define STORE_LABEL_MAX 1024 /* bytes of one key or value */
#define STORE_ID_LEN 25
#define STORE_HOSTNAME_MAX 255
#define STORE_ADDRESS_MAX 320
#define STORE_REKEY_LOST_MAX 1023
#define STORE_KEY_MAX 4096
#define STORE_CERTIFICATE_MAX (64U * 1024)
#define STORE_JOIN_SECRET_SIZE 16
#define STORE_UNLOCK_KEY_SIZE 32
#define STORE_RECORD_MAX (256U * 1024) /* packed bytes of one object, its data apart */
#define STORE_NODES_MAX 4096
#define STORE_SERVICES_MAX 4096
#define STORE_GRANTS_MAX 64      /* of one service */
#define STORE_CONSTRAINTS_MAX 16 /* likewise */
#define STORE_PARALLELISM_MAX 4096
#define STORE_FORMER_MAX 8 /* revisions of one object beside the newest */
#define STORE_UNIT_MAX 255
#define STORE_CREDENTIAL_MAX 80 /* unit and credential name together have to fit a socket's address */
#define STORE_USES_MAX 1024     /* of one node */
#define STORE_USE_MAX 1024      /* packed bytes of one use */
#define STORE_ROLLOUT_TEXT_MAX 512
#define STORE_AGE_MAX (100ULL * 365 * 24 * 3600) /* seconds */
#define STORE_REVOCATIONS_MAX 4096 /* tombstones too */
#define STORE_DIGEST_SIZE 32
#define STORE_SIZE_MAX (64U * 1024 * 1024) /* packed bytes of all that is stored: a swarm's logs and snapshots are held in memory */

struct store *store_new(void);
void store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free)

/* What a command changed. */
#define STORE_CHANGED_CLUSTER (1U << 0)
#define STORE_CHANGED_NODES (1U << 1) /* one was added, replaced or removed, or its state was set */
#define STORE_CHANGED_OBJECTS (1U << 2)
#define STORE_CHANGED_SERVICES (1U << 4) /* a service, a rollout */
#define STORE_CHANGED_USAGE (1U << 5)
#define STORE_CHANGED_REMOVED (1U << 3) /* a node was removed or a certificate revoked: connections that were let in may no longer be */

/* Applies one encoded command (command.h); *ret_changed (may be NULL) is STORE_CHANGED_ flags. 0, or the same negative errno on every
 * replica: -EEXIST name, id or raft id taken, or the id of a node that was removed, -ENOENT, -ESTALE version differs, -EBUSY the last
 * manager would be demoted or a manager removed, an object removed that a service grants, or one updated all of whose former revisions are in
 * use, -EINVAL name, id or label malformed, -EMSGSIZE, -EDQUOT the store is full
 * (STORE_SIZE_MAX, STORE_NODES_MAX, STORE_SERVICES_MAX), -EBADMSG undecodable. -ENOMEM and -EPROTONOSUPPORT (newer version) are not part of the state machine:
 * another replica may have applied the command, so this one must stop. On failure the state is untouched. */
int store_apply(struct store *s, const void *command, size_t size, unsigned *ret_changed);

/* The whole state as one buffer from malloc, its size a multiple of 8; and back. -EBADMSG, -EPROTONOSUPPORT, -ENOMEM: state untouched.
 * A restore may change everything. */
int store_snapshot(const struct store *s, void **ret, size_t *ret_size);
int store_restore(struct store *s, const void *snapshot, size_t size);

/* NULL before the first PutCluster. */
const Pb__Cluster *store_cluster(const struct store *s);

const Pb__Node *store_node(const struct store *s, const char *id);
size_t store_n_nodes(const struct store *s);
const Pb__Node *store_node_at(const struct store *s, size_t i); /* by id */
/* NULL when none has it, and for 0. */
const Pb__Node *store_node_of_raft_id(const struct store *s, uint64_t raft_id);
/* Nodes whose role is MANAGER, whether they are members of Raft by now or not. */
size_t store_n_managers(const struct store *s);

/* Whether a node was removed, or a certificate (SHA-256 of its DER) revoked. Remembered until the certificates have ended by the clocks of
 * those who proposed commands since; of more than STORE_REVOCATIONS_MAX, those that end first are forgotten. */
bool store_is_removed(const struct store *s, const char *id);
bool store_is_revoked(const struct store *s, const unsigned char digest[static STORE_DIGEST_SIZE]);

/* By exact id, else by exact name, else by unambiguous id prefix. -ENOENT, -ENOTUNIQ when a prefix fits several. */
int store_find_object(const struct store *s, Pb__Kind kind, const char *id_or_name, const Pb__Object **ret);
size_t store_n_objects(const struct store *s, Pb__Kind kind);
const Pb__Object *store_object_at(const struct store *s, Pb__Kind kind, size_t i); /* by name */

/* [a-zA-Z0-9] first and last, those and -_. between, at most STORE_NAME_MAX: the reference's rule for secret and config names. */
bool store_name_is_valid(const char *name);

/* By exact id, else by exact name, else by unambiguous id prefix. -ENOENT, -ENOTUNIQ. */
int store_find_service(const struct store *s, const char *id_or_name, const Pb__Service **ret);
size_t store_n_services(const struct store *s);
const Pb__Service *store_service_at(const struct store *s, size_t i); /* by id */

/* The first service by id that grants the object: it cannot be removed. NULL. */
const Pb__Service *store_service_granting(const struct store *s, Pb__Kind kind, const char *object_id);

/* NULL when there is none of that id. */
const Pb__Object *store_object(const struct store *s, Pb__Kind kind, const char *id);

/* The data of a revision that the object still has; NULL. */
const ProtobufCBinaryData *store_object_data(const Pb__Object *object, uint64_t revision);

/* Whether PruneObject would drop a revision that nothing uses. */
bool store_can_prune(const struct store *s, Pb__Kind kind, const Pb__Object *object);

/* What that node's units were last said to use; NULL: nothing. */
const Pb__Usage *store_usage(const struct store *s, const char *node_id);
