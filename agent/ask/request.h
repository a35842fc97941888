/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ask/ask_protocol.h"

/* What the manager wants asked. */
struct request {
    const char *id; /* what the query is known by; NULL: ASK_ID */
    bool accept_cached, agent;
    char message[ASK_MESSAGE_MAX + 1];
};

/* One packet of ask_protocol.h. -EINVAL; -EMSGSIZE; -EPROTONOSUPPORT for another version. */
int request_parse(const void *packet, size_t size, struct request *ret);
