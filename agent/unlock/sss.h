/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/secret.h"

/* Shamir's secret sharing as clevis does it: a polynomial over the integers modulo a prime of 32 bytes; the key is its value at 0, a share
 * is a point: x and y, 32 bytes each, most significant byte first. */
#define SSS_SIZE 32U
#define SSS_SHARE_SIZE (2 * SSS_SIZE)

/* The prime of the polynomials made here: the largest below 2^256. */
extern const unsigned char sss_prime[SSS_SIZE];

/* A random polynomial of threshold coefficients, SSS_SIZE bytes each; the first is the key. */
int sss_new(unsigned threshold, struct secret *ret_polynomial);
/* A random point on it. */
int sss_share(const struct secret *polynomial, struct secret *ret_share);

/* The key that n shares of SSS_SHARE_SIZE bytes give. -EINVAL: the same share twice, or no prime. */
int sss_combine(const unsigned char prime[static SSS_SIZE], const struct secret *const shares[], size_t n, struct secret *ret_key);
