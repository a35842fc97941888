/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "peer/peer.pb-c.h"

/* Who may ask what of a manager over the network. What is not in the table nobody may. */

#define PEER_PROTOCOL_JOIN "swarm-join/1"
#define PEER_PROTOCOL_CALL "swarm-call/1"
#define PEER_PROTOCOL_RAFT "swarm-raft/1"

/* What is known of who calls, from the certificate and the store; each includes those before it. */
enum peer_standing {
    PEER_STRANGER, /* no certificate */
    PEER_MEMBER,   /* the certificate of a node that was not removed */
    PEER_LEAVING,  /* a manager's certificate, of a node that is none any more, but without which the log's group cannot do yet */
    PEER_MANAGER,  /* a manager's certificate, of a node that is one still */
};

/* Whether the caller with that standing may ask this on that protocol. */
bool peer_may(const char *protocol, enum peer_standing standing, Peer__Request__WhatCase what);
