/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* A Docker Engine, played: a thread for each connection. */

enum fake_mode {
    FAKE_GOOD,
    FAKE_HUNG,    /* takes the request, and says nothing */
    FAKE_GARBAGE, /* no HTTP */
    FAKE_JUNK,    /* HTTP around what is no JSON */
    FAKE_HUGE,    /* 1 GB */
    FAKE_CLOSES,  /* hangs up after each answer */
    FAKE_FAILS,   /* HTTP 500 */
    FAKE_FORBIDS, /* HTTP 403 to all but /info, as a plugin for authorization may have it */
};

struct fake {
    _Atomic int mode;
    _Atomic bool locked, is_manager;
    _Atomic unsigned n_infos, n_unlocks, n_refused, n_keys; /* n_keys: told */
    char key[64];     /* that unlocks, and that it tells; "": autolock is off */
    char root[256];
};

extern struct fake fake;

void fake_begin(const char *path);
/* Hangs up on everybody, as at a restart. */
void fake_restart(bool locked);
void fake_set_key(const char *key);
