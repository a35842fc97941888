/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "peer/message.h"

/* What is said to swarm-units and what it replies: agent/units/units_protocol.h. Texts that come back have no control characters. */

/* The drop-ins of the manifest's enabled services (m may be NULL), from malloc. Services for which none can be made are left out; why tells of
 * the first one, or is "". -ENOMEM, -EMSGSIZE. */
int units_json_drop_ins(const Peer__Manifest *m, char **ret, char why[static ERROR_TEXT_MAX]);

/* -ENOMEM. */
int units_json_update(const char *pattern, bool reload, char **ret);
int units_json_state(const char *const *units, size_t n, char **ret);

/* done: what was written and removed, "" when nothing was; failed: what was not, and why, "" when all was well. -EPROTO. */
int units_json_drop_ins_reply(const struct secret *body, char done[static ERROR_TEXT_MAX], char failed[static ERROR_TEXT_MAX]);

/* failed: "UNIT: why", or "". -EPROTO. */
int units_json_update_reply(const struct secret *body, unsigned *ret_units, char failed[static ERROR_TEXT_MAX]);

/* Whether the unit is among the active ones. -EPROTO. */
int units_json_is_active(const struct secret *body, const char *unit);
