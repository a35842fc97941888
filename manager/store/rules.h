/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.pb-c.h"

/* What an object must be like to be let into the store, whoever proposes it: docs/FORMATS.md "Store", limits. 0, -EINVAL, -EMSGSIZE. */

int rules_check_id(const char *id);
int rules_check_kind(Pb__Kind kind);

/* NULL, and a missing meta, are -EINVAL. meta.version is the store's business. */
int rules_check_cluster(const Pb__Cluster *cluster);
int rules_check_node(const Pb__Node *node);
int rules_check_object(Pb__Kind kind, const Pb__Object *object);

int rules_check_node_state(Pb__NodeState state, int64_t since);
int rules_check_remove_node(const Pb__RemoveNode *remove);
int rules_check_revoke(const Pb__Revoke *revoke);
/* One that is stored. */
int rules_check_revocation(const Pb__Revocation *revocation);
