/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "open/open_reply.h"

/* What swarm-agent-docker says in the journal, also on standard error where that is not the journal itself. Never a secret. */

/* How the key came: "keyslot 3 (clevis)", "the prompt", "swarmctl". */
void say_unlocked(const char *how);
/* A key was stored; n: how many are, now. */
void say_stored(unsigned n);
/* The Engine refuses what is stored. */
void say_refused(unsigned n);
/* The Engine has another key, which cannot be stored, and why. */
void say_not_stored(const char *reason);
/* A keyslot did not open. */
void say_keyslot(const struct open_failure *f);
/* The Engine, or something on this machine, does not do what it should. */
void say_trouble(const char *text);
void say_forgotten(void);
/* No news, and no id. */
void say(const char *format, ...) _printf_(1, 2);
