/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/secret.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

int secret_init(void)
{
    return sodium_init() < 0 ? -EIO : 0;
}

int secret_new(size_t size, struct secret *ret)
{
    unsigned char *data;

    if (size > SECRET_MAX)
        return -EMSGSIZE;
    data = sodium_malloc(size);
    if (!data)
        return -ENOMEM;
    memset(data, 0, size);
    *ret = (struct secret) { data, size };
    return 0;
}

int secret_copy(const void *data, size_t size, struct secret *ret)
{
    int r = secret_new(size, ret);

    if (r == 0 && size > 0)
        memcpy(ret->data, data, size);
    return r;
}

int secret_random(size_t size, struct secret *ret)
{
    int r = secret_new(size, ret);

    if (r == 0)
        randombytes_buf(ret->data, size);
    return r;
}

void secret_truncate(struct secret *s, size_t size)
{
    sodium_memzero(s->data + size, s->size - size);
    s->size = size;
}

void secret_done(struct secret *s)
{
    sodium_free(s->data);
    *s = SECRET_NULL;
}

struct secret secret_take(struct secret *s)
{
    struct secret t = *s;

    *s = SECRET_NULL;
    return t;
}
