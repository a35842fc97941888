/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm.h"

/* The journal entry of an event of the swarm. */
void event_log(const struct swarm_event_info *info);
