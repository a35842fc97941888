/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/erasing_heap.h"

#include <malloc.h>
#include <raft.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"

#define SMALL 16

static void *heap_malloc(_unused_ void *data, size_t size)
{
    void *p = malloc(size);

    if (p && size <= SMALL) /* libraft stores and sends the 8 bytes of a barrier without having set them */
        memset(p, 0, size);
    return p;
}

static void heap_free(_unused_ void *data, void *p)
{
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

static void *heap_calloc(_unused_ void *data, size_t n, size_t size)
{
    return calloc(n, size);
}

static void *heap_realloc(void *data, void *p, size_t size)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *grown;

    if (p && size <= old)
        return p;
    grown = malloc(size + size / 2); /* libraft lengthens large arrays by one element at a time, and nothing here grows where it is */
    if (!grown)
        return NULL;
    if (p)
        memcpy(grown, p, old < size ? old : size);
    heap_free(data, p);
    return grown;
}

static void *heap_aligned_alloc(_unused_ void *data, size_t alignment, size_t size)
{
    return aligned_alloc(alignment, size);
}

static void heap_aligned_free(void *data, _unused_ size_t alignment, void *p)
{
    heap_free(data, p);
}

void erasing_heap_install(void)
{
    static struct raft_heap heap = {
        NULL, heap_malloc, heap_free, heap_calloc, heap_realloc, heap_aligned_alloc, heap_aligned_free,
    };

    raft_heap_set(&heap);
}
