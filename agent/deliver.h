/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/secret.h"

/* Answers a query at its socket, from the name by which swarm-ask knows swarm-agent. A negative errno when it did not get there. */
int deliver(const char *socket_path, const struct secret *passphrase);
