/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "open/open_lock.h"
#include "open/open_reply.h"

/* Asks for the passphrases of all the lock's slots at once, through the helpers whose sockets are in the folder helpers, and proves each that
 * comes: the first that opens its slot ends it. reply comes as OPEN_REPLY_NULL. -ECANCELED when whoever asked, on the connection peer, has
 * hung up. */
int race_run(struct open_lock *lock, const char *helpers, int peer, int timeout_ms, struct open_reply *reply);
