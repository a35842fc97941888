/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/bn.h>

#include "test.h"
#include "unlock/sss.h"

#define SHARES 5

/* Any threshold of the shares gives the key, and fewer give something else. */
static void shares_combine(unsigned threshold)
{
    struct secret polynomial, shares[SHARES], key;
    const struct secret *some[SHARES];

    CHECK_OK(sss_new(threshold, &polynomial));
    CHECK(polynomial.size == threshold * SSS_SIZE);
    for (unsigned i = 0; i < SHARES; i++) {
        CHECK_OK(sss_share(&polynomial, &shares[i]));
        CHECK(shares[i].size == SSS_SHARE_SIZE);
    }
    for (unsigned choice = 1; choice < 1U << SHARES; choice++) {
        unsigned n = 0;

        for (unsigned i = 0; i < SHARES; i++)
            if (choice >> i & 1)
                some[n++] = &shares[i];
        CHECK_OK(sss_combine(sss_prime, some, n, &key));
        CHECK((memcmp(key.data, polynomial.data, SSS_SIZE) == 0) == (n >= threshold));
        secret_done(&key);
    }
    for (unsigned i = 0; i < SHARES; i++)
        secret_done(&shares[i]);
    secret_done(&polynomial);
}

/* 7 + 3x + 2x² modulo 101, at 1, 5 and 60. */
static void small_numbers(void)
{
    static const unsigned char points[][2] = { { 1, 12 }, { 5, 72 }, { 60, 14 } };
    unsigned char prime[SSS_SIZE] = { [SSS_SIZE - 1] = 101 }, expected[SSS_SIZE] = { [SSS_SIZE - 1] = 7 };
    struct secret shares[3], key;
    const struct secret *all[3];

    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(secret_new(SSS_SHARE_SIZE, &shares[i]));
        shares[i].data[SSS_SIZE - 1] = points[i][0];
        shares[i].data[SSS_SHARE_SIZE - 1] = points[i][1];
        all[i] = &shares[i];
    }
    CHECK_OK(sss_combine(prime, all, 3, &key));
    CHECK(memcmp(key.data, expected, SSS_SIZE) == 0);
    secret_done(&key);
    all[2] = all[0]; /* twice the same */
    CHECK(sss_combine(prime, all, 3, &key) == -EINVAL);
    all[2] = &shares[2];
    prime[SSS_SIZE - 1] = 100;
    CHECK(sss_combine(prime, all, 3, &key) == -EINVAL);
    prime[SSS_SIZE - 1] = 1;
    CHECK(sss_combine(prime, all, 3, &key) == -EINVAL);
    prime[SSS_SIZE - 1] = 0;
    CHECK(sss_combine(prime, all, 3, &key) == -EINVAL);
    for (unsigned i = 0; i < 3; i++)
        secret_done(&shares[i]);
}

static void prime_is_the_largest(void)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *p = BN_bin2bn(sss_prime, SSS_SIZE, NULL);

    CHECK(p && context && BN_num_bits(p) == 256);
    CHECK(BN_check_prime(p, context, NULL) == 1);
    while (BN_add_word(p, 2) && BN_num_bits(p) == 256)
        CHECK(BN_check_prime(p, context, NULL) == 0);
    BN_free(p);
    BN_CTX_free(context);
}

int main(void)
{
    CHECK_OK(secret_init());
    for (unsigned threshold = 1; threshold <= SHARES; threshold++)
        shares_combine(threshold);
    small_numbers();
    prime_is_the_largest();
    return 0;
}
