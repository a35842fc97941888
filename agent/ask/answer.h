/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ask/ask_protocol.h"

/* What a password agent sends (https://systemd.io/PASSWORD_AGENTS/): '+' and one or more passwords, each but the last ended by a NUL, or
 * '-'. A receive buffer of this size always holds the first password and its end. */
#define ANSWER_PACKET_MAX (1 + ASK_ANSWER_MAX + 1)

enum answer {
    ANSWER_PASSWORD,
    ANSWER_CANCELLED,
    ANSWER_TOO_LONG, /* the first password has over ASK_ANSWER_MAX bytes */
};

/* An enum answer; for ANSWER_PASSWORD the password is the *ret_size bytes after the first. truncated: the packet went on after size
 * bytes. -EINVAL when it is no answer. */
int answer_parse(const void *packet, size_t size, bool truncated, size_t *ret_size);
