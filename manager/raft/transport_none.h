/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <raft/uv.h>

/* The transport of a member that is alone: nobody can be reached, nobody reaches it. */
void transport_none_init(struct raft_uv_transport *t);
