/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"

void index_init(struct index *x, const char *(*key)(const void *item))
{
    *x = (struct index) { .key = key };
}

void index_done(struct index *x)
{
    free(x->items);
    x->items = NULL;
    x->n = x->capacity = 0;
}

int index_reserve(struct index *x, size_t n)
{
    size_t capacity = x->capacity < 8 ? 8 : x->capacity;
    void **items;

    if (n <= x->capacity)
        return 0;
    while (capacity < n)
        capacity *= 2;
    items = reallocarray(x->items, capacity, sizeof(*items));
    if (!items)
        return -ENOMEM;
    x->items = items;
    x->capacity = capacity;
    return 0;
}

bool index_find(const struct index *x, const char *key, size_t *ret_at)
{
    size_t low = 0, high = x->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(x->key(x->items[middle]), key);

        if (c == 0) {
            *ret_at = middle;
            return true;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_at = low;
    return false;
}

void *index_get(const struct index *x, const char *key)
{
    size_t at;

    return index_find(x, key, &at) ? x->items[at] : NULL;
}

void index_insert(struct index *x, void *item)
{
    size_t at;
    _unused_ bool taken = index_find(x, x->key(item), &at);

    assert(!taken && x->n < x->capacity);
    memmove(x->items + at + 1, x->items + at, (x->n - at) * sizeof(*x->items));
    x->items[at] = item;
    x->n++;
}

void index_remove(struct index *x, const char *key)
{
    size_t at;

    if (!index_find(x, key, &at))
        return;
    x->n--;
    memmove(x->items + at, x->items + at + 1, (x->n - at) * sizeof(*x->items));
}

static int compare(const void *a, const void *b, void *data)
{
    const struct index *x = data;

    return strcmp(x->key(*(void *const *) a), x->key(*(void *const *) b));
}

bool index_fill(struct index *x, void *const *items, size_t n)
{
    assert(x->n == 0 && n <= x->capacity);
    if (n == 0)
        return true;
    memcpy(x->items, items, n * sizeof(*items));
    qsort_r(x->items, n, sizeof(*x->items), compare, x);
    for (size_t i = 1; i < n; i++)
        if (strcmp(x->key(x->items[i - 1]), x->key(x->items[i])) == 0)
            return false;
    x->n = n;
    return true;
}
