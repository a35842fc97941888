/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "docker/engine.h"

/* The JSON that Docker Engine answers. -EPROTO: it is none of the Engine's. */

#define ENGINE_MESSAGE_MAX 256

int engine_reply_info(const void *body, size_t size, struct engine_info *ret);

/* As canonical text. -ENODATA: autolock is off. */
int engine_reply_key(const void *body, size_t size, struct secret *ret_text);

/* The Engine's own words on why it refuses, fit for people. */
void engine_reply_message(const void *body, size_t size, char ret[static ENGINE_MESSAGE_MAX]);
