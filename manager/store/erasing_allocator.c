/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/erasing_allocator.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void erasing_free(void *p)
{
    if (!p)
        return;
    explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

static void *allocator_alloc(void *data, size_t size)
{
    struct erasing_allocator *a = data;
    void *p = malloc(size);

    if (!p)
        a->failed = true;
    return p;
}

static void allocator_free(void *data, void *p)
{
    (void) data;
    erasing_free(p);
}

void erasing_allocator_init(struct erasing_allocator *a)
{
    *a = (struct erasing_allocator) { { allocator_alloc, allocator_free, a }, false };
}

void erasing_message_free(ProtobufCMessage *message)
{
    struct erasing_allocator a;

    erasing_allocator_init(&a);
    protobuf_c_message_free_unpacked(message, &a.allocator);
}
