/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* Whether data is exactly what packing message gives. protobuf leaves a writer much freedom (repeated fields that are merged, bytes behind
 * a string's NUL, overlong numbers); as nobody needs it here, one meaning has one encoding and nothing can hide between two. Unknown fields
 * with higher numbers than the known ones are canonical. Allocates nothing. */
bool message_is_canonical(const ProtobufCMessage *message, const void *data, size_t size);
