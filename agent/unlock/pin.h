/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "basic/error.h"

struct binding;

/* Encrypts to a PIN of unlock_protocol.h, as clevis encrypt does. ret_parts: a JWE in flattened form. -EINVAL. */
int pin_encrypt(const json_t *pin, const void *plaintext, size_t size, json_t **ret_parts, struct error *e);

/* The PIN that a JWE was made with. adv_of (called with data) may give other keys for a server; NULL keeps them. New, or NULL without memory. */
json_t *pin_of(const struct binding *b, const json_t *(*adv_of)(const struct binding *tang, void *data), void *data);
