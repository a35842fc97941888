/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/crypto.h>
#include <openssl/x509v3.h>
#include <stdint.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "pki/ca.h"
#include "pki/certificate.h"
#include "pki/pkey.h"

/* What the tests of the CA share: a swarm, and OpenSSL's allocations, which can be kept and made to fail. */

#define NOW INT64_C(1767225600) /* 2026 */
#define HOUR 3600
#define DAY 86400
#define SWARM "swarm00000000000000000000"
#define NODE "node000000000000000000001"
#define OTHER_NODE "node000000000000000000002"

/* What OpenSSL frees while collecting is kept, to be searched for keys that are not known before. */
#define BLOCKS_MAX 65536
static size_t *blocks[BLOCKS_MAX];
static size_t n_blocks;
static bool collecting;

/* Which allocation fails, counted from 1, and whether all after it do; 0: none. */
static unsigned long fail_at, allocations;
static bool fail_on;

static inline bool fails(void)
{
    return fail_at > 0 && (++allocations == fail_at || (fail_on && allocations > fail_at));
}

static inline void *hook_malloc(size_t size, const char *file, int line)
{
    size_t *p = fails() ? NULL : malloc(sizeof(max_align_t) + size);

    (void) file;
    (void) line;
    if (!p)
        return NULL;
    *p = size;
    return (char *) p + sizeof(max_align_t);
}

static inline void hook_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;
    if (!p)
        return;
    size_t *block = (size_t *) ((char *) p - sizeof(max_align_t));

    if (!collecting) {
        free(block);
        return;
    }
    CHECK(n_blocks < BLOCKS_MAX);
    blocks[n_blocks++] = block;
}

static inline void *hook_realloc(void *p, size_t size, const char *file, int line)
{
    void *q = hook_malloc(size, file, line);

    if (p && q) {
        size_t old = *(size_t *) ((char *) p - sizeof(max_align_t));
        memcpy(q, p, old < size ? old : size);
        hook_free(p, file, line);
    }
    return q;
}

struct fixture {
    struct secret ca_key, node_key;
    char *ca, *certificate;
};

static inline void fixture_done(struct fixture *f)
{
    secret_done(&f->ca_key);
    secret_done(&f->node_key);
    free(f->ca);
    free(f->certificate);
}

static inline int issue(const struct fixture *f, int64_t now, char **ret)
{
    return ca_issue(&f->ca_key, f->ca, &f->node_key, NODE, CA_ROLE_MANAGER, SWARM, now, ret, NULL);
}

static inline struct fixture fixture_new(void)
{
    struct fixture f = {};

    CHECK_OK(ca_create(SWARM, NOW, &f.ca_key, &f.ca, NULL));
    CHECK_OK(ca_node_key(&f.node_key));
    CHECK_OK(issue(&f, NOW, &f.certificate));
    return f;
}

static inline void expect_time(const ASN1_TIME *t, int64_t expected)
{
    CHECK(ASN1_TIME_cmp_time_t(t, (time_t) expected) == 0);
}

/* In how many of the collected blocks is the key's private scalar, as bytes or as OpenSSL's number? */
static inline unsigned count_leaks(const struct secret *der)
{
    static const unsigned char before[] = { 0x02, 0x01, 0x01, 0x04, 0x20 }; /* ECPrivateKey: version 1, octet string of 32 */
    const unsigned char *scalar = memmem(der->data, der->size, before, sizeof(before));
    unsigned char reversed[32];
    unsigned n = 0;

    CHECK(scalar && scalar + sizeof(before) + sizeof(reversed) <= der->data + der->size);
    scalar += sizeof(before);
    for (size_t i = 0; i < sizeof(reversed); i++)
        reversed[i] = scalar[sizeof(reversed) - 1 - i];
    for (size_t i = 0; i < n_blocks; i++) {
        const char *p = (const char *) blocks[i] + sizeof(max_align_t);

        n += memmem(p, *blocks[i], scalar, sizeof(reversed)) || memmem(p, *blocks[i], reversed, sizeof(reversed));
    }
    return n;
}

static inline void forget_blocks(void)
{
    collecting = false;
    for (size_t i = 0; i < n_blocks; i++)
        free(blocks[i]);
    n_blocks = 0;
}

/* Calls f with each of its allocations failing in turn, alone and with all that follow, until it needs no more of them. f checks that a
 * failure left its output parameters alone. */
static inline void with_faults(int (*f)(void *data), void *data)
{
    for (int all = 0; all < 2; all++) {
        fail_on = all;
        for (unsigned long n = 1;; n++) {
            unsigned long needed;
            int r;

            allocations = 0;
            fail_at = n;
            r = f(data);
            needed = allocations;
            fail_at = 0;
            CHECK(r <= 0);
            if (needed < n) {
                CHECK_OK(r);
                break;
            }
            CHECK(n < 100000);
        }
    }
}

static inline void enter_test(void)
{
    CHECK(CRYPTO_set_mem_functions(hook_malloc, hook_realloc, hook_free) == 1);
    CHECK_OK(secret_init());
}
