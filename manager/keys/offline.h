/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/secret.h"

/* Records in a file under a key that is derived from the node's KEK, docs/FORMATS.md "Offline copies". A change, a cut, or a record of another file
 * is noticed; a whole older file put back is not. */

#define OFFLINE_MAX (96U * 1024 * 1024) /* bytes of a file */

/* At least one record, each of at most SECRET_MAX - 64 bytes. A buffer from malloc, in which nothing is secret. -EINVAL, -EMSGSIZE, -ENOMEM. */
int offline_seal(const struct secret *kek, const struct secret *const *records, size_t n, void **ret, size_t *ret_size);

/* Hands each record to take, in order; what take returns when it is negative ends it. -EKEYREJECTED: the first record does not open, because of
 * another KEK or a change; -EBADMSG, -EPROTONOSUPPORT, -ENOMEM. What was taken before a failure must not be used. */
int offline_open(const struct secret *kek, const void *bytes, size_t size, int (*take)(void *data, size_t i, struct secret *record), void *data);
