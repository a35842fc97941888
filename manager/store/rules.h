/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "store/store.pb-c.h"

/* What an object must be like to be let into the store, whoever proposes it: docs/FORMATS.md "Store", limits. 0, -EINVAL, -EMSGSIZE. */

int rules_check_id(const char *id);
int rules_check_kind(Pb__Kind kind);

/* NULL, and a missing meta, are -EINVAL. meta.version is the store's business. */
int rules_check_cluster(const Pb__Cluster *cluster);
int rules_check_node(const Pb__Node *node);
int rules_check_object(Pb__Kind kind, const Pb__Object *object);
/* Whether it is more than objects were before version 3, and than one is that was just made. */
bool rules_object_has_revisions(const Pb__Object *object);
/* Apart from its rollout. */
int rules_check_service(const Pb__Service *service);
/* One that is stored: nodes in order. */
int rules_check_rollout(const Pb__Rollout *rollout);
int rules_check_usage(const Pb__Usage *usage);

int rules_check_node_state(Pb__NodeState state, int64_t since);
int rules_check_remove_node(const Pb__RemoveNode *remove);
int rules_check_revoke(const Pb__Revoke *revoke);
/* One that is stored. */
int rules_check_revocation(const Pb__Revocation *revocation);

int rules_check_data(Pb__Kind kind, const ProtobufCBinaryData *data);
int rules_check_update_object(const Pb__UpdateObject *update);
int rules_check_set_rollout(const Pb__SetRollout *set);

/* Parts of several of them. A line is for what is shown on terminals as one word or line. */
int rules_check_meta(const Pb__Meta *meta);
int rules_check_text(const char *text, size_t max);
int rules_check_line(const char *text, size_t max);
int rules_check_labels(Pb__Label *const labels[], size_t n);
/* Without what the store itself sets: what was let in must not grow over the limit. */
Pb__Meta rules_meta_as_given(const Pb__Meta *meta);
/* Bounds what fields of later versions could bring along. */
int rules_check_record(const ProtobufCMessage *message, size_t data_size);
