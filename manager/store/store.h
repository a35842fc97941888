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
#define STORE_KEY_MAX 4096
#define STORE_CERTIFICATE_MAX (64U * 1024)
#define STORE_JOIN_SECRET_SIZE 16
#define STORE_UNLOCK_KEY_SIZE 32
#define STORE_RECORD_MAX (256U * 1024) /* packed bytes of one object, its data apart */
#define STORE_NODES_MAX 4096
#define STORE_SIZE_MAX (64U * 1024 * 1024) /* packed bytes of all nodes and objects: a swarm's logs and snapshots are held in memory */

struct store *store_new(void);
void store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free)

/* Applies one encoded command (command.h). 0, or the same negative errno on every replica: -EEXIST name or id taken, -ENOENT, -ESTALE
 * version differs, -EINVAL name, id or label malformed, -EMSGSIZE, -EDQUOT the store is full (STORE_SIZE_MAX, STORE_NODES_MAX), -EBADMSG
 * undecodable. -ENOMEM and -EPROTONOSUPPORT (newer version) are not part of the state machine: another replica may have applied the
 * command, so this one must stop. On failure the state is untouched. */
int store_apply(struct store *s, const void *command, size_t size);

/* The whole state as one buffer from malloc, its size a multiple of 8; and back. -EBADMSG, -EPROTONOSUPPORT, -ENOMEM: state untouched. */
int store_snapshot(const struct store *s, void **ret, size_t *ret_size);
int store_restore(struct store *s, const void *snapshot, size_t size);

/* NULL before the first PutCluster. */
const Pb__Cluster *store_cluster(const struct store *s);

const Pb__Node *store_node(const struct store *s, const char *id);
size_t store_n_nodes(const struct store *s);
const Pb__Node *store_node_at(const struct store *s, size_t i); /* by id */

/* By exact id, else by exact name, else by unambiguous id prefix. -ENOENT, -ENOTUNIQ when a prefix fits several. */
int store_find_object(const struct store *s, Pb__Kind kind, const char *id_or_name, const Pb__Object **ret);
size_t store_n_objects(const struct store *s, Pb__Kind kind);
const Pb__Object *store_object_at(const struct store *s, Pb__Kind kind, size_t i); /* by name */

/* [a-zA-Z0-9] first and last, those and -_. between, at most STORE_NAME_MAX: the reference's rule for secret and config names. */
bool store_name_is_valid(const char *name);
