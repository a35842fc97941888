/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/revocations.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "store/erasing_allocator.h"
#include "store/store.h"

int revocations_reserve(struct revocations *x, size_t n)
{
    size_t capacity = x->capacity < 8 ? 8 : x->capacity;
    Pb__Revocation **items;

    if (n <= x->capacity)
        return 0;
    while (capacity < n)
        capacity *= 2;
    items = reallocarray(x->items, capacity, sizeof(Pb__Revocation *));
    if (!items)
        return -ENOMEM;
    x->items = items;
    x->capacity = capacity;
    return 0;
}

void revocations_done(struct revocations *x)
{
    for (size_t i = 0; i < x->n; i++)
        erasing_message_free(&x->items[i]->base);
    free(x->items);
    *x = (struct revocations) {};
}

/* Digests are all of one size, but for those of tombstones, which come first. */
static int compare_digest(const Pb__Revocation *r, const void *digest, size_t size)
{
    if (r->certificate_digest.len != size)
        return r->certificate_digest.len < size ? -1 : 1;
    return size == 0 ? 0 : memcmp(r->certificate_digest.data, digest, size);
}

/* Where it is, or would be inserted. */
static size_t find(const struct revocations *x, const char *id, const void *digest, size_t size)
{
    size_t low = 0, high = x->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_digest(x->items[middle], digest, size);

        if (c == 0)
            c = strcmp(x->items[middle]->id, id);
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t find_same(const struct revocations *x, const Pb__Revocation *r)
{
    return find(x, r->id, r->certificate_digest.data, r->certificate_digest.len);
}

Pb__Revocation *revocations_get(const struct revocations *x, const char *id, const void *digest, size_t size)
{
    size_t at = find(x, id, digest, size);

    if (at == x->n || compare_digest(x->items[at], digest, size) != 0 || strcmp(x->items[at]->id, id) != 0)
        return NULL;
    return x->items[at];
}

bool revocations_have_digest(const struct revocations *x, const void *digest, size_t size)
{
    size_t at = find(x, "", digest, size);

    return at < x->n && compare_digest(x->items[at], digest, size) == 0;
}

static void drop_first_to_end(struct revocations *x)
{
    size_t first = 0;

    for (size_t i = 1; i < x->n; i++)
        if (x->items[i]->until < x->items[first]->until)
            first = i;
    erasing_message_free(&x->items[first]->base);
    x->n--;
    memmove(x->items + first, x->items + first + 1, (x->n - first) * sizeof(*x->items));
}

void revocations_trim(struct revocations *x, int64_t now, bool for_one_more)
{
    size_t kept = 0;

    for (size_t i = 0; i < x->n; i++)
        if (x->items[i]->until < now)
            erasing_message_free(&x->items[i]->base);
        else
            x->items[kept++] = x->items[i];
    x->n = kept;
    while (for_one_more && x->n >= STORE_REVOCATIONS_MAX)
        drop_first_to_end(x);
}

void revocations_insert(struct revocations *x, Pb__Revocation *r)
{
    size_t at = find_same(x, r);

    assert(x->n < x->capacity);
    memmove(x->items + at + 1, x->items + at, (x->n - at) * sizeof(*x->items));
    x->items[at] = r;
    x->n++;
}

bool revocations_fill(struct revocations *x, Pb__Revocation *const *items, size_t n)
{
    assert(x->n == 0 && n <= x->capacity);
    for (; x->n < n; x->n++) {
        if (find_same(x, items[x->n]) != x->n) /* it belongs, or is, among those before it */
            return false;
        x->items[x->n] = items[x->n];
    }
    return true;
}
