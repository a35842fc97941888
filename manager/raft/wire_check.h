/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks at the bytes of a link on their way to raft_uv, which believes all lengths, numbers and texts in them. A link is one direction:
 * from the member that dialled to the one that accepted; the other way nothing flows. The messages are told in docs/PROTOCOL.md. */

#define WIRE_PREAMBLE 16
#define WIRE_HEADER_MAX 16384
#define WIRE_ENTRIES_MAX 128
#define WIRE_SNAPSHOT_MAX (256UL * 1024 * 1024)

/* Zeroed: the begin of a link. */
struct wire_check {
    unsigned char head[WIRE_PREAMBLE + WIRE_HEADER_MAX]; /* of the message that is under way */
    size_t have;
    uint64_t payload; /* bytes that follow and are not looked at */
    int result;       /* once negative it stays so */
};

/* 0: these bytes may go on. -EMSGSIZE: over a maximum; -EBADMSG: no message of raft's. Then they must not go on, and the link has to be
 * closed. */
int wire_check_feed(struct wire_check *w, const void *bytes, size_t size);
