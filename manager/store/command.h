/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/cleanup.h"
#include "store/store.pb-c.h"

/* A framed command (docs/FORMATS.md "Store"): 8-byte header with magic, version and length, the protobuf, zeros up to a multiple of 8. */

#define COMMAND_MAX (1100U * 1024)

/* A buffer from malloc; the caller erases it before it frees it. -EMSGSIZE, -ENOMEM. */
int command_encode(const Pb__Command *command, void **ret, size_t *ret_size);

/* *ret is freed with command_free, which erases. -EBADMSG, -EPROTONOSUPPORT, -ENOMEM. */
int command_decode(const void *data, size_t size, Pb__Command **ret);
void command_free(Pb__Command *command);
DEFINE_CLEANUP(Pb__Command *, command_free)
