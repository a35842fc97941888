/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/rpc_frame.h"

#include <errno.h>
#include <string.h>

#include "net/frame.h"
#include "net/rpc.h"
#include "net/wipe.h"

_Static_assert(RPC_PAYLOAD_MAX == FRAME_PAYLOAD_MAX, "what a frame holds");
_Static_assert(RPC_PAYLOAD_MAX + FRAME_HEAD <= STREAM_PENDING_MAX, "a stream takes the largest frame");

int rpc_frame_new(char kind, uint64_t id, const void *payload, size_t size, struct rpc_frame **ret)
{
    struct rpc_frame *f;

    if (size > RPC_PAYLOAD_MAX)
        return -EMSGSIZE;
    f = malloc(sizeof(*f) + FRAME_HEAD + size);
    if (!f)
        return -ENOMEM;
    f->next = NULL;
    f->size = FRAME_HEAD + size;
    frame_head(f->bytes, kind, id, size);
    if (size > 0)
        memcpy(f->bytes + FRAME_HEAD, payload, size);
    *ret = f;
    return 0;
}

void rpc_frame_free(struct rpc_frame *f)
{
    if (f)
        wipe_free(f, sizeof(*f) + f->size);
}
