/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* malloc and an erasing free for protobuf-c. Tells lack of memory apart from bad input, which protobuf_c_message_unpack() does not. */
struct erasing_allocator {
    ProtobufCAllocator allocator;
    bool failed; /* an allocation was refused */
};

void erasing_allocator_init(struct erasing_allocator *a);

/* Overwrites the whole allocation, then frees it. p may be NULL. */
void erasing_free(void *p);

/* Frees a message that was unpacked with an erasing allocator; NULL is allowed. */
void erasing_message_free(ProtobufCMessage *message);
