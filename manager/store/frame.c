/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/frame.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/canonical.h"
#include "store/erasing_allocator.h"

#define HEADER_SIZE 8
#define MAGIC_SIZE 3

static size_t frame_size(size_t length)
{
    return (HEADER_SIZE + length + 7) / 8 * 8;
}

int frame_encode(const char magic[static 3], const ProtobufCMessage *message, size_t max, void **ret, size_t *ret_size)
{
    size_t length = protobuf_c_message_get_packed_size(message), size;
    uint32_t le_length;
    uint8_t *frame;

    if (length > FRAME_MAX - 2 * HEADER_SIZE || frame_size(length) > max)
        return -EMSGSIZE;
    size = frame_size(length);
    frame = malloc(size);
    if (!frame)
        return -ENOMEM;

    le_length = htole32((uint32_t) length);
    memcpy(frame, magic, MAGIC_SIZE);
    frame[MAGIC_SIZE] = FRAME_VERSION;
    memcpy(frame + MAGIC_SIZE + 1, &le_length, sizeof(le_length));
    (void) protobuf_c_message_pack(message, frame + HEADER_SIZE);
    memset(frame + HEADER_SIZE + length, 0, size - HEADER_SIZE - length);
    *ret = frame;
    *ret_size = size;
    return 0;
}

static int parse_header(const char magic[static 3], const uint8_t *frame, size_t size, size_t *ret_length)
{
    static const uint8_t zeros[8];
    uint32_t le_length;
    size_t length;

    if (size < HEADER_SIZE || memcmp(frame, magic, MAGIC_SIZE) != 0 || frame[MAGIC_SIZE] == 0)
        return -EBADMSG;
    if (frame[MAGIC_SIZE] > FRAME_VERSION)
        return -EPROTONOSUPPORT;
    memcpy(&le_length, frame + MAGIC_SIZE + 1, sizeof(le_length));
    length = le32toh(le_length);
    if (length > FRAME_MAX - 2 * HEADER_SIZE || size != frame_size(length))
        return -EBADMSG;
    if (memcmp(frame + HEADER_SIZE + length, zeros, size - HEADER_SIZE - length) != 0)
        return -EBADMSG;
    *ret_length = length;
    return 0;
}

int frame_decode(const char magic[static 3], const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                 unsigned *ret_version, ProtobufCMessage **ret)
{
    const uint8_t *frame = data;
    struct erasing_allocator a;
    ProtobufCMessage *message;
    size_t length;
    int r;

    r = parse_header(magic, frame, size, &length);
    if (r < 0)
        return r;
    erasing_allocator_init(&a);
    message = protobuf_c_message_unpack(type, &a.allocator, length, frame + HEADER_SIZE);
    if (!message)
        return a.failed ? -ENOMEM : -EBADMSG;
    /* fields that this version does not know are kept where an object holds them; what the whole frame does must be known entirely */
    if (message->n_unknown_fields > 0 || !message_is_canonical(message, frame + HEADER_SIZE, length)) {
        erasing_message_free(message);
        return -EBADMSG;
    }
    *ret_version = frame[MAGIC_SIZE];
    *ret = message;
    return 0;
}
