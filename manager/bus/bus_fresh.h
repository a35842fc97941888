/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus_policy.h"

/* Calls the rule's handler for an admitted caller; for what reads the store not before that is at least as new as the call. */
int bus_rule_call(const struct bus_rule *rule, struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
