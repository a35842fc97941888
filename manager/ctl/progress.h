/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "ctl/call.h"

/* Follows a rotation through the swarm on standard error, node by node, until everyone that can be reached has taken part, or for half a
 * minute; then names those that have not. Whoever is missing is no error, and neither is that it cannot be seen: the manager goes on by itself. */

/* Each manager has the unlock key of that generation. quiet: only those are named that have not. */
void progress_unlock_key(struct caller *c, uint32_t generation, bool quiet);
/* Each manager has made new keys as often as count says, and the unlock key of that generation (0: whichever); what could not be carried over
 * is told of each. */
void progress_rekey(struct caller *c, uint32_t count, uint32_t generation, bool quiet);
/* Each node has a certificate of the CA in force. */
void progress_certificates(struct caller *c);
