/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The frames of calls (docs/PROTOCOL.md, Frames): 4 bytes length of what follows, 1 byte version, 1 byte kind, 8 bytes id, payload; numbers
 * are big-endian. */

#define FRAME_HEAD 14U
#define FRAME_VERSION 1
#define FRAME_REQUEST '?'
#define FRAME_REPLY '!'
#define FRAME_PAYLOAD_MAX (2U * 1024 * 1024)

struct frame {
    char kind;
    uint64_t id;
    const unsigned char *payload;
    size_t size;
};

/* Writes the FRAME_HEAD bytes that come before a payload of size bytes (≤ FRAME_PAYLOAD_MAX). */
void frame_head(unsigned char ret[static FRAME_HEAD], char kind, uint64_t id, size_t size);

/* Puts frames together from pieces of any size. All zero is a new one. Memory grows with what has come, not with what a head announces. */
struct frame_reader {
    size_t max; /* of a payload; 0: FRAME_PAYLOAD_MAX */
    unsigned char head[FRAME_HEAD];
    size_t n_head, n_payload, room;
    unsigned char *payload;
};

/* Reads on. 1: a whole frame, valid until the next call with the same reader; call again with the bytes behind *ret_used. 0: all bytes were
 * used, no frame is complete. After an error the stream of frames is lost: -EPROTONOSUPPORT another version, -EBADMSG
 * another kind or too short a length, -EMSGSIZE, -ENOMEM. */
int frame_read(struct frame_reader *r, const void *bytes, size_t size, size_t *ret_used, struct frame *ret);

/* Erases and frees what it has; it may be used again. */
void frame_reader_done(struct frame_reader *r);
