/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/table.h"

#include <string.h>

#include "basic/cleanup.h"

static const struct {
    Peer__Request__WhatCase what;
    const char *protocol;
    enum peer_standing least;
} table[] = {
    { PEER__REQUEST__WHAT_JOIN, PEER_PROTOCOL_JOIN, PEER_STRANGER },
    { PEER__REQUEST__WHAT_RENEW, PEER_PROTOCOL_CALL, PEER_MEMBER },
    { PEER__REQUEST__WHAT_HEARTBEAT, PEER_PROTOCOL_CALL, PEER_MEMBER },
    { PEER__REQUEST__WHAT_LEAVE, PEER_PROTOCOL_CALL, PEER_MEMBER },
    { PEER__REQUEST__WHAT_WATCH, PEER_PROTOCOL_CALL, PEER_MEMBER },
    { PEER__REQUEST__WHAT_FETCH_OBJECT, PEER_PROTOCOL_CALL, PEER_MEMBER },
    { PEER__REQUEST__WHAT_REPORT_USE, PEER_PROTOCOL_CALL, PEER_MEMBER },
    { PEER__REQUEST__WHAT_PROPOSE, PEER_PROTOCOL_CALL, PEER_MANAGER },
    { PEER__REQUEST__WHAT_BARRIER, PEER_PROTOCOL_CALL, PEER_MANAGER },
    { PEER__REQUEST__WHAT_FETCH_UNLOCK_KEY, PEER_PROTOCOL_CALL, PEER_MANAGER },
    { PEER__REQUEST__WHAT_ADD_MEMBER, PEER_PROTOCOL_CALL, PEER_MANAGER },
};

bool peer_may(const char *protocol, enum peer_standing standing, Peer__Request__WhatCase what)
{
    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        if (table[i].what == what)
            return strcmp(table[i].protocol, protocol) == 0 && standing >= table[i].least;
    return false;
}
