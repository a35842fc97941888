/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "store/store.h"

/* What services say: which units, on which nodes, load what. Pure functions of replicated objects; every node comes to the same answer. */

/* unit is a full unit name ("web@3.service"). A pattern is a unit name in which * stands for any text within it, also none: "web.service",
 * "web@*.service", "db-*.service". */
bool service_unit_matches(const char *pattern, const char *unit);

/* Whether text can be a pattern: a unit name of a type that can have LoadCredential= (service, socket, mount, swap), with * where any
 * character may be, at most STORE_UNIT_MAX bytes. */
bool service_unit_is_valid(const char *pattern);

/* 1 to STORE_CREDENTIAL_MAX characters that systemd takes for a credential's name: printable ASCII without / and :, not "." or "..". */
bool service_credential_is_valid(const char *credential);

/* key is node.id, node.hostname, node.role ("manager", "worker") or node.labels.KEY. */
bool service_constraint_is_valid(const Pb__Constraint *c);

/* All constraints hold for the node. */
bool service_is_on(const Pb__Service *service, const Pb__Node *node);

/* The revision that a unit of the service on that node loads: the newest, but what a rollout holds where it has not come yet. */
uint64_t service_revision(const Pb__Service *service, const Pb__Object *object, const char *node_id);
