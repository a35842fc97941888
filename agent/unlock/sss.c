/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/sss.h"

#include <errno.h>
#include <openssl/bn.h>

#include "basic/cleanup.h"

DEFINE_CLEANUP(BIGNUM *, BN_clear_free)
DEFINE_CLEANUP(BN_CTX *, BN_CTX_free)
#define bignum _cleanup_(BN_clear_freep) BIGNUM

/* 2^256 - 189 */
const unsigned char sss_prime[SSS_SIZE] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x43,
};

static BIGNUM *number(const unsigned char *bytes)
{
    return BN_bin2bn(bytes, (int) SSS_SIZE, NULL);
}

static int bytes(const BIGNUM *n, unsigned char *ret)
{
    return BN_bn2binpad(n, ret, (int) SSS_SIZE) == (int) SSS_SIZE ? 0 : -EINVAL;
}

static int random_number(const BIGNUM *prime, unsigned char *ret)
{
    bignum *n = BN_new();

    if (!n)
        return -ENOMEM;
    return BN_priv_rand_range(n, prime) == 1 ? bytes(n, ret) : -EIO;
}

int sss_new(unsigned threshold, struct secret *ret_polynomial)
{
    _cleanup_(secret_done) struct secret polynomial = SECRET_NULL;
    bignum *prime = number(sss_prime);
    int r = secret_new((size_t) threshold * SSS_SIZE, &polynomial);

    if (r < 0 || !prime)
        return r < 0 ? r : -ENOMEM;
    for (unsigned i = 0; i < threshold; i++) {
        r = random_number(prime, polynomial.data + i * SSS_SIZE);
        if (r < 0)
            return r;
    }
    *ret_polynomial = secret_take(&polynomial);
    return 0;
}

/* Horner's rule. */
static int evaluate(const struct secret *polynomial, const BIGNUM *x, BIGNUM *y, const BIGNUM *prime, BN_CTX *context)
{
    BN_zero(y);
    for (size_t at = polynomial->size; at >= SSS_SIZE; at -= SSS_SIZE) {
        bignum *coefficient = number(polynomial->data + at - SSS_SIZE);

        if (!coefficient || !BN_mod_mul(y, y, x, prime, context) || !BN_mod_add(y, y, coefficient, prime, context))
            return -ENOMEM;
    }
    return 0;
}

int sss_share(const struct secret *polynomial, struct secret *ret_share)
{
    _cleanup_(secret_done) struct secret share = SECRET_NULL;
    _cleanup_(BN_CTX_freep) BN_CTX *context = BN_CTX_new();
    bignum *prime = number(sss_prime), *x = BN_new(), *y = BN_new();
    int r = secret_new(SSS_SHARE_SIZE, &share);

    if (r < 0 || !context || !prime || !x || !y)
        return r < 0 ? r : -ENOMEM;
    if (BN_priv_rand_range(x, prime) != 1)
        return -EIO;
    r = evaluate(polynomial, x, y, prime, context);
    if (r == 0)
        r = bytes(x, share.data);
    if (r == 0)
        r = bytes(y, share.data + SSS_SIZE);
    if (r == 0)
        *ret_share = secret_take(&share);
    return r;
}

/* factor *= x_j / (x_j - x_i): share i's weight in the value at 0 (Lagrange). */
static int weigh(BIGNUM *factor, const struct secret *i, const struct secret *j, const BIGNUM *prime, BN_CTX *context)
{
    bignum *xi = number(i->data), *xj = number(j->data), *difference = BN_new();

    if (!xi || !xj || !difference)
        return -ENOMEM;
    if (!BN_mod_sub(difference, xj, xi, prime, context) || !BN_mod_inverse(difference, difference, prime, context) ||
        !BN_mod_mul(factor, factor, xj, prime, context) || !BN_mod_mul(factor, factor, difference, prime, context))
        return -EINVAL;
    return 0;
}

static int add_share(BIGNUM *sum, const struct secret *const shares[], size_t n, size_t i, const BIGNUM *prime, BN_CTX *context)
{
    bignum *term = number(shares[i]->data + SSS_SIZE);
    int r = term ? 0 : -ENOMEM;

    for (size_t j = 0; j < n && r == 0; j++)
        if (j != i)
            r = weigh(term, shares[i], shares[j], prime, context);
    if (r == 0 && !BN_mod_add(sum, sum, term, prime, context))
        r = -EINVAL;
    return r;
}

int sss_combine(const unsigned char prime[static SSS_SIZE], const struct secret *const shares[], size_t n, struct secret *ret_key)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_(BN_CTX_freep) BN_CTX *context = BN_CTX_new();
    bignum *p = number(prime), *sum = BN_new();
    int r = secret_new(SSS_SIZE, &key);

    if (r < 0 || !context || !p || !sum)
        return r < 0 ? r : -ENOMEM;
    if (!BN_is_odd(p) || BN_is_one(p))
        return -EINVAL;
    BN_zero(sum);
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_share(sum, shares, n, i, p, context);
    if (r == 0)
        r = bytes(sum, key.data);
    if (r == 0)
        *ret_key = secret_take(&key);
    return r;
}
