/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Bytes that must not leave this process unmeant: in guarded, locked pages that never reach swap or a core dump, erased when freed
 * (sodium_malloc, https://doc.libsodium.org/memory_management). Initialise with SECRET_NULL. */
struct secret {
    unsigned char *data;
    size_t size;
};

#define SECRET_NULL ((struct secret) { NULL, 0 })
#define SECRET_MAX (2U * 1024 * 1024)

/* Once per process, before the first secret. 0, -EIO. */
int secret_init(void);

/* size zero bytes. 0, -ENOMEM, -EMSGSIZE over SECRET_MAX. A size of 0 is allowed. */
int secret_new(size_t size, struct secret *ret);
int secret_copy(const void *data, size_t size, struct secret *ret);
int secret_random(size_t size, struct secret *ret);

/* Keeps the first size bytes (size ≤ s->size) and erases the rest. */
void secret_truncate(struct secret *s, size_t size);

/* Erases and frees; scope exit function. */
void secret_done(struct secret *s);

/* Moves the secret out: *s becomes SECRET_NULL. */
struct secret secret_take(struct secret *s);
