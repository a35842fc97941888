/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "docker/vault.h"
#include "monotonic.h"
#include "open/race.h"

/* Tries the keyslots that have a method, all at once, again and again with growing pauses, and at once when the network changes. Blocks
 * nowhere for longer than it takes to try a keyslot. */

#define OPENER_FDS_MAX (OPEN_SLOTS_MAX + 1)
#define OPENER_FIRST_PAUSE_MS 250
#define OPENER_MAX_PAUSE_MS 30000

struct opener {
    struct vault *vault;
    const char *helpers; /* the folder of the helpers' sockets */
    bool wanted, running, has_failed;
    uint32_t mask; /* of the keyslots that may still open */
    struct open_lock lock;
    struct open_reply reply;
    struct race race;
    int watching; /* connection to swarm-unlock that tells when the network changes, or -1 */
    bool changed;
    int64_t began, again;
    int pause_ms;
    char said[OPEN_SLOTS_MAX][EXCHANGE_TEXT_MAX + 1]; /* the last text of each keyslot: told once */
};

void opener_init(struct opener *o, struct vault *vault, const char *helpers);

/* Begins with a first try, unless it is at it already; ends. */
void opener_want(struct opener *o, bool wanted);

/* What to wait for, OPENER_FDS_MAX at most; returns how many. And until when at most (monotonic.h). */
unsigned opener_fill(struct opener *o, struct pollfd *ret);
int64_t opener_next(const struct opener *o);

/* After the wait, with the same descriptors. 0 with the passphrase and what kind of keyslot gave it, else -EAGAIN. It is not wanted any more then. */
int opener_step(struct opener *o, const struct pollfd *p, unsigned n, struct secret *ret, int *ret_slot, char ret_kind[static OPEN_KIND_MAX]);
