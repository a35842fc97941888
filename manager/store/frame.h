/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* What commands and snapshots travel in, docs/FORMATS.md "Store": 3 bytes magic, 1 byte version, 4 bytes length (little endian), the
 * protobuf, zeros up to a multiple of 8 (libraft wants its buffers so). */

#define FRAME_VERSION 3
#define FRAME_MAX (1024U * 1024 * 1024)

/* A buffer from malloc; the caller erases it before it frees it. -EMSGSIZE when the whole frame has more than max bytes, -ENOMEM. */
int frame_encode(const char magic[static 3], const ProtobufCMessage *message, size_t max, void **ret, size_t *ret_size);

/* *ret is freed with erasing_message_free; *ret_version is from 1 to FRAME_VERSION. -EBADMSG, -EPROTONOSUPPORT, -ENOMEM. */
int frame_decode(const char magic[static 3], const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                 unsigned *ret_version, ProtobufCMessage **ret);
