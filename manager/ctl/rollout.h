/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/cmd.h"

/* Follow rollouts to their ends on standard error, node by node; nobody is asked for a password for that. STATUS_STOPPED when a node failed; any
 * other exit code when it is not to be seen how they go, which they do all the same. */

/* Of all services that the newest update of a secret or config, by name or ID, has to reach. */
int rollout_follow_object(struct caller *c, const struct object_kind *kind, const char *name, struct error *e);
/* Of one service, by name or ID. */
int rollout_follow_service(struct caller *c, const char *name, struct error *e);
