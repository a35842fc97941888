/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* polkit's text agent, which asks at the terminal for the password that an action needs. */
struct polkit_agent {
    pid_t pid;
    bool tried;
};

#define POLKIT_AGENT_NULL ((struct polkit_agent) { 0, false })

/* Once per process, and only with a terminal and for others than root. Returns when the agent is registered, or there is none: then the
 * call decides by itself. */
void polkit_agent_start(struct polkit_agent *a);
void polkit_agent_stop(struct polkit_agent *a);
