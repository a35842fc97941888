/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/canonical.h"

#include <stdint.h>
#include <string.h>

struct comparison {
    ProtobufCBuffer buffer;
    const uint8_t *at;
    size_t left;
    bool same;
};

static void compare(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct comparison *c = (struct comparison *) buffer;

    if (!c->same || size == 0)
        return;
    if (size > c->left || memcmp(c->at, data, size) != 0) {
        c->same = false;
        return;
    }
    c->at += size;
    c->left -= size;
}

bool message_is_canonical(const ProtobufCMessage *message, const void *data, size_t size)
{
    struct comparison c = { { compare }, data, size, true };

    if (protobuf_c_message_get_packed_size(message) != size)
        return false;
    (void) protobuf_c_message_pack_to_buffer(message, &c.buffer);
    return c.same && c.left == 0;
}
