/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/message.h"

#include <errno.h>

#include "net/rpc.h"
#include "store/erasing_allocator.h"
#include "store/frame.h"

#define REQUEST_MAGIC "swq"
#define REPLY_MAGIC "swr"

int peer_request_encode(const Peer__Request *request, void **ret, size_t *ret_size)
{
    return frame_encode(REQUEST_MAGIC, &request->base, RPC_PAYLOAD_MAX, ret, ret_size);
}

int peer_reply_encode(const Peer__Reply *reply, void **ret, size_t *ret_size)
{
    return frame_encode(REPLY_MAGIC, &reply->base, RPC_PAYLOAD_MAX, ret, ret_size);
}

int peer_request_decode(const void *data, size_t size, Peer__Request **ret)
{
    ProtobufCMessage *message;
    unsigned version;
    int r = frame_decode(REQUEST_MAGIC, &peer__request__descriptor, data, size, &version, &message);

    if (r == 0)
        *ret = (Peer__Request *) message;
    return r;
}

int peer_reply_decode(const void *data, size_t size, Peer__Reply **ret)
{
    ProtobufCMessage *message;
    unsigned version;
    int r = frame_decode(REPLY_MAGIC, &peer__reply__descriptor, data, size, &version, &message);

    if (r == 0)
        *ret = (Peer__Reply *) message;
    return r;
}

void peer_request_free(Peer__Request *request)
{
    erasing_message_free((ProtobufCMessage *) request);
}

void peer_reply_free(Peer__Reply *reply)
{
    erasing_message_free((ProtobufCMessage *) reply);
}
