/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Pointers to things in the order of a text that each of them has once. */
struct index {
    const char *(*key)(const void *item);
    void **items;
    size_t n, capacity;
};

void index_init(struct index *x, const char *(*key)(const void *item));
/* Frees the index, not the items. */
void index_done(struct index *x);

/* Room for n items in all; then the calls below cannot fail. -ENOMEM. */
int index_reserve(struct index *x, size_t n);

/* Where key is, or where it would be inserted. */
bool index_find(const struct index *x, const char *key, size_t *ret_at);
/* NULL when there is none. */
void *index_get(const struct index *x, const char *key);

/* The item's key is not there yet and room has been reserved. */
void index_insert(struct index *x, void *item);
void index_remove(struct index *x, const char *key);

/* Takes over n items in any order into an empty index with room for them. Whether each key is there but once; if not, the index is of no
 * further use. */
bool index_fill(struct index *x, void *const *items, size_t n);
