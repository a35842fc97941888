/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sodium.h>
#include <stdlib.h>

/* Erases a block from malloc and frees it; NULL is allowed. */
static inline void wipe_free(void *p, size_t size)
{
    if (p)
        sodium_memzero(p, size);
    free(p);
}
