/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A frame that waits to be sent. */
struct rpc_frame {
    struct rpc_frame *next;
    size_t size;
    unsigned char bytes[];
};

/* -EMSGSIZE, -ENOMEM. */
int rpc_frame_new(char kind, uint64_t id, const void *payload, size_t size, struct rpc_frame **ret);
/* Erases it. NULL is allowed. */
void rpc_frame_free(struct rpc_frame *f);
