/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/transport_none.h"

#include "basic/cleanup.h"

static int none_init(_unused_ struct raft_uv_transport *t, _unused_ raft_id id, _unused_ const char *address)
{
    return 0;
}

static int none_listen(_unused_ struct raft_uv_transport *t, _unused_ raft_uv_accept_cb cb)
{
    return 0;
}

static int none_connect(_unused_ struct raft_uv_transport *t, _unused_ struct raft_uv_connect *req, _unused_ raft_id id,
                        _unused_ const char *address, _unused_ raft_uv_connect_cb cb)
{
    return RAFT_NOCONNECTION;
}

static void none_close(struct raft_uv_transport *t, raft_uv_transport_close_cb cb)
{
    cb(t);
}

void transport_none_init(struct raft_uv_transport *t)
{
    *t = (struct raft_uv_transport) {
        .version = 1,
        .init = none_init,
        .listen = none_listen,
        .connect = none_connect,
        .close = none_close,
    };
}
