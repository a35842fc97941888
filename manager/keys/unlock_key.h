/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/secret.h"

#define UNLOCK_KEY_SIZE 32
#define UNLOCK_KEY_PREFIX "SWMKEY-1-"
#define UNLOCK_KEY_TEXT_LEN 52 /* the prefix and 43 characters of unpadded standard base64 */

int unlock_key_generate(struct secret *ret);

/* UNLOCK_KEY_TEXT_LEN bytes, not terminated: what a person sees, and the passphrase of the key's LUKS2 keyslot. */
int unlock_key_format(const struct secret *key, struct secret *ret_text);

/* Reads a text of n bytes; one final newline is allowed. -EINVAL for anything else, '=' padding included; the two spare bits of the last
 * character are ignored, as in the reference. */
int unlock_key_parse(const void *text, size_t n, struct secret *ret_key);
