/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

int bytes_replace(ProtobufCBinaryData *field, const void *data, size_t size)
{
    uint8_t *copy = NULL;

    if (size > 0) {
        copy = malloc(size);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, data, size);
    }
    erasing_free(field->data);
    field->data = copy;
    field->len = size;
    return 0;
}

int string_replace(char **field, const char *text)
{
    char *copy = text[0] ? strdup(text) : (char *) protobuf_c_empty_string;

    if (!copy)
        return -ENOMEM;
    if (*field != protobuf_c_empty_string)
        erasing_free(*field);
    *field = copy;
    return 0;
}
