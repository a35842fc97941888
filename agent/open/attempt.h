/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/error.h"
#include "basic/secret.h"

struct open_slot;

enum route {
    ROUTE_UNLOCK, /* swarm-unlock: Clevis natively */
    ROUTE_CLEVIS, /* the pins that it does not know */
    ROUTE_TOKEN,  /* swarm-token */
};

/* One keyslot's exchange with the helper that knows its method. It blocks nowhere. */
struct attempt {
    const struct open_slot *slot;
    enum route route;
    int fd;               /* -1 when it is over */
    struct secret stream; /* what clevis has said so far */
    size_t received;
};

#define ATTEMPT_NULL ((struct attempt) { .fd = -1 })

/* Whether a token of that type names a method of ours. */
bool attempt_knows(const char *kind);

/* Connects to the slot's helper, whose socket is in the folder helpers, and asks. */
int attempt_start(const struct open_slot *slot, const char *helpers, struct attempt *ret, struct error *e);

/* When fd is readable: 0 with the passphrase, -EAGAIN when it goes on (with another fd, perhaps), else an errno of exchange.h or of this side. */
int attempt_continue(struct attempt *a, const char *helpers, struct secret *ret, struct error *e);

/* Hangs up; scope exit function. */
void attempt_done(struct attempt *a);
