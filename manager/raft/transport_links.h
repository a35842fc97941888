/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <raft/uv.h>

#include "raft/replica.h"

/* raft_uv's transport over struct replica_links: others make the connections, raft_uv gets a stream. */
struct transport_links {
    struct raft_uv_transport transport;
    uv_loop_t *loop;
    struct replica_links links;
    /* Whether it makes sense to dial that member; NULL: always. */
    bool (*wants)(void *data, uint64_t id);
    void *data;
    raft_uv_accept_cb accept;
    struct replica_dial *dials; /* under way */
};

/* t stays where it is until raft_uv has closed it. */
void transport_links_init(struct transport_links *t, uv_loop_t *loop, const struct replica_links *links);

/* A member has connected; takes fd on success. -ENOTCONN before raft listens and after the close. */
int transport_links_accept(struct transport_links *t, uint64_t id, const char *address, int fd);
