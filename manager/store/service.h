/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "store/store.h"

/* Bytes of a unit's and a credential's name together: systemd binds its socket to an abstract address of at most 107 bytes, a NUL, up to 16
 * digits of a random number, "/unit/", the unit, "/" and the credential. One byte more, and it works once in 16 times. */
#define SERVICE_UNIT_AND_CREDENTIAL_MAX 83

/* What services say: which units, on which nodes, load what. Pure functions of replicated objects; every node comes to the same answer. */

/* unit is a full unit name ("web@3.service"). A pattern is a unit name in which * stands for any text within it, also none: "web.service",
 * "web@*.service", "db-*.service". */
bool service_unit_matches(const char *pattern, const char *unit);

/* Whether text can be a pattern: a unit name of a type that can have LoadCredential= (service, socket, mount, swap), with * where any
 * character may be, at most STORE_UNIT_MAX bytes. A template ("web@.service") is none: nothing of that name runs, "web@*.service" are its
 * instances. */
bool service_unit_is_valid(const char *pattern);

/* 1 to STORE_CREDENTIAL_MAX characters with which a credential can be loaded: printable ASCII without blank, /, : and \, not "." or "..". */
bool service_credential_is_valid(const char *credential);

/* Whether a unit of that pattern, at least one with the shortest name, can load a credential of that name. */
bool service_credential_fits(const char *pattern, const char *credential);

/* key is node.id, node.hostname, node.role ("manager", "worker") or node.labels.KEY. A node that has no label KEY differs from
 * every value. */
bool service_constraint_is_valid(const Pb__Constraint *c);

/* All constraints hold for the node. */
bool service_is_on(const Pb__Service *service, const Pb__Node *node);

bool service_grants(const Pb__Service *service, Pb__Kind kind, const char *object_id);

/* The revision that a unit of the service on that node loads: the newest, but what a rollout holds where it has not come yet. */
uint64_t service_revision(const Pb__Service *service, const Pb__Object *object, const char *node_id);
