/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* Our end of a connection without a bus between; objects are added and it is started by the caller. The other end has to tell who it is, and may pass
 * file descriptors; sender is the name that it sees. Takes *fd, also on failure once sd-bus has it. */
int bus_server_new(int *fd, const char *sender, sd_bus **ret);
