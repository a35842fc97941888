/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm_private.h"

/* What is being done to a secret, config or service. */
struct change {
    struct swarm *swarm;
    swarm_done_cb cb;
    void *data;
    const char *noun; /* "secret" */
    Pb__Kind kind;
    /* Words for what this kind of change alone can meet; 0: the usual ones. The store may be another one by now, or NULL. May be NULL. */
    int (*explain)(const struct change *c, int code, struct error *e);
    char name[STORE_NAME_MAX + 1];
    char id[STORE_ID_LEN + 1];
};

/* Proposes the command; change, but for name and id, is copied. Loop's thread. cb is not called when this fails. */
int change_submit(const struct change *change, const char *name, const char *id, const Pb__Command *command, struct error *e);
