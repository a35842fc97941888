/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* Whether a process belongs to a unit of the system manager, as the cgroup tree says. That is asked from the unit's side, by the list of its
 * processes: /proc/PID/cgroup would say it, too, but then this service would have to see every process of the machine (ProtectProc=). */

/* root: where the tree is mounted. The unit's cgroup lies in slices only: what runs in a container, or below a user's manager, is none of the
 * system manager's. 0: it is in the unit's cgroup or in one directly below (systemd has some: ".control", DelegateSubgroup=). -ESRCH: it is not;
 * -ENOENT: there is no such unit's cgroup. unit must be a file name. */
int peer_cgroup_check(const char *root, const char *unit, pid_t pid);
