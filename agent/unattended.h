/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ask_folder.h"
#include "basic/error.h"
#include "tell.h"

/* What swarm-agent does, without ever blocking: while a question stands, it asks swarm-open for a passphrase, again and again with growing
 * pauses, at once when the network changes, and answers. */

#define FIRST_PAUSE_MS 250
#define MAX_PAUSE_MS 30000

struct unattended_config {
    const char *folder;  /* of the queries */
    const char *helpers; /* the folder of the sockets of swarm-open and swarm-unlock */
    int open_ms;         /* how long swarm-open may take */
};

struct unattended {
    const struct unattended_config *config;
    struct ask_folder folder;
    struct question question;  /* the one that stands; no name: none */
    uint32_t mask;             /* of the keyslots that may still open in it */
    int opening, watching;     /* connections to swarm-open and swarm-unlock, or -1 */
    int64_t began, again;      /* when swarm-open was asked last, and will be asked next */
    int pause_ms;
    bool changed;              /* the network, since swarm-open was asked */
    struct told told;
};

/* u must not move after it. */
int unattended_open(struct unattended *u, const struct unattended_config *config, struct error *e);

/* One round: sleeps until something happens. Returns 0, -ECANCELED when the descriptor stop became readable, or another errno when it
 * cannot go on. */
int unattended_wait(struct unattended *u, int stop, struct error *e);

void unattended_done(struct unattended *u);
