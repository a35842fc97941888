/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/secret.h"

/* A recovery key as systemd-cryptenroll(1) makes it: 256 random bits in modhex, eight groups of eight letters. */
#define RECOVERY_KEY_TEXT_LEN 71

int recovery_key_generate(struct secret *ret_text);

/* What a person typed, upper case and missing dashes mended; one final newline is allowed. -EINVAL when it is no recovery key. */
int recovery_key_normalise(const void *text, size_t n, struct secret *ret_text);
