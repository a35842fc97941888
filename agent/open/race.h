/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <poll.h>

#include "open/attempt.h"
#include "open/open_lock.h"
#include "open/open_reply.h"

/* Asks for the passphrases of all the lock's slots at once, through the helpers whose sockets are in the folder helpers, and proves each that
 * comes: the first that opens its slot ends it. reply comes as OPEN_REPLY_NULL. -ECANCELED when whoever asked, on the connection peer, has
 * hung up. */
int race_run(struct open_lock *lock, const char *helpers, int peer, int timeout_ms, struct open_reply *reply);

/* The same for a caller that waits for other things, too: while race_fill() returns how many still run, it waits for what that put at
 * each slot's index, race_step() goes on with that and tells whether a slot opened, and race_give_up() notes that there was no more time. The race must
 * not move; race_done() hangs up. */
struct race {
    struct open_lock *lock;
    const char *helpers;
    struct attempt attempts[OPEN_SLOTS_MAX];
    struct open_reply *reply;
};

void race_start(struct race *race, struct open_lock *lock, const char *helpers, struct open_reply *reply);
unsigned race_fill(const struct race *race, struct pollfd *ret);
bool race_step(struct race *race, const struct pollfd *p);
void race_give_up(struct race *race, int timeout_ms);
void race_done(struct race *race);
