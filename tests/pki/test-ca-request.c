/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates for requests that come from anybody. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "ca-test.h"

DEFINE_CLEANUP(X509_REQ *, X509_REQ_free)

struct request {
    unsigned char *der;
    size_t size;
};

static void request_done(struct request *r)
{
    free(r->der);
}

static int issue_for(const struct fixture *f, const void *der, size_t size, char **ret)
{
    return ca_issue_request(&f->ca_key, f->ca, der, size, NODE, CA_ROLE_WORKER, SWARM, NOW, ret, NULL);
}

static void refuse(const struct fixture *f, const void *der, size_t size)
{
    char *none = NULL;

    CHECK(issue_for(f, der, size, &none) == -EBADMSG && !none);
}

static struct request request_of(X509_REQ *x)
{
    struct request r = { .der = malloc(2 * CA_REQUEST_MAX) };
    int size = i2d_X509_REQ(x, NULL);

    CHECK(r.der && size > 0 && size <= (int) (2 * CA_REQUEST_MAX) && i2d_X509_REQ(x, &(unsigned char *) { r.der }) == size);
    r.size = (size_t) size;
    return r;
}

static struct request sign(EVP_PKEY *key, EVP_PKEY *signer, const EVP_MD *digest)
{
    _cleanup_(X509_REQ_freep) X509_REQ *x = X509_REQ_new();

    CHECK(x && X509_REQ_set_pubkey(x, key) == 1 && X509_REQ_sign(x, signer, digest) > 0);
    return request_of(x);
}

/* A request that wants to be a CA of another swarm, and says so in everything that can be said. */
static struct request greedy(EVP_PKEY *key, size_t padding)
{
    _cleanup_(X509_REQ_freep) X509_REQ *x = X509_REQ_new();
    _cleanup_free_ unsigned char *more = calloc(1, padding + 1);
    STACK_OF(X509_EXTENSION) *wanted = sk_X509_EXTENSION_new_null();
    static const struct {
        int nid;
        const char *value;
    } extensions[] = {
        { NID_basic_constraints, "critical,CA:TRUE" },
        { NID_key_usage, "critical,keyCertSign" },
        { NID_subject_alt_name, "DNS:" OTHER_NODE ",DNS:swarm-manager" },
    };
    X509_NAME *name;

    CHECK(x && wanted && more);
    memset(more, 'x', padding);
    name = X509_REQ_get_subject_name(x);
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) OTHER_NODE, -1, -1, 0) == 1);
    CHECK(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC, (const unsigned char *) CA_ROLE_MANAGER, -1, -1, 0) == 1);
    for (size_t i = 0; i < ELEMENTSOF(extensions); i++)
        CHECK(sk_X509_EXTENSION_push(wanted, X509V3_EXT_conf_nid(NULL, NULL, extensions[i].nid, extensions[i].value)) > 0);
    CHECK(X509_REQ_add_extensions(x, wanted) == 1);
    CHECK(X509_REQ_add1_attr_by_NID(x, NID_pkcs9_challengePassword, MBSTRING_ASC, more, -1) == 1);
    CHECK(X509_REQ_set_pubkey(x, key) == 1 && X509_REQ_sign(x, key, EVP_sha256()) > 0);
    sk_X509_EXTENSION_pop_free(wanted, X509_EXTENSION_free);
    return request_of(x);
}

/* A worker's certificate for this key, and nothing that the caller did not say. */
static void expect_certificate(const char *pem, EVP_PKEY *key)
{
    _cleanup_(X509_freep) X509 *c = NULL;
    struct certificate_info info;

    CHECK_OK(certificate_from_pem(pem, &c));
    CHECK_OK(certificate_info(c, &info));
    CHECK(strcmp(info.node_id, NODE) == 0 && strcmp(info.swarm_id, SWARM) == 0 && strcmp(info.role, CA_ROLE_WORKER) == 0);
    CHECK(info.not_before == NOW - HOUR && info.not_after == NOW + CA_NODE_DAYS * DAY);
    CHECK(EVP_PKEY_eq(X509_get0_pubkey(c), key) == 1 && X509_get_ext_count(c) == 6);
    CHECK(X509_check_host(c, NODE, 0, 0, NULL) == 1 && X509_check_host(c, CA_ROLE_WORKER, 0, 0, NULL) == 1);
    CHECK(X509_check_host(c, OTHER_NODE, 0, 0, NULL) == 0 && X509_check_host(c, CA_ROLE_MANAGER, 0, 0, NULL) == 0);
}

static void test_round_trip(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(request_done) struct request r = {}, again = {};
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(X509_REQ_freep) X509_REQ *x = NULL;
    _cleanup_free_ char *pem = NULL;
    const unsigned char *at;

    CHECK_OK(pkey_from_der(&f.node_key, &key));
    CHECK_OK(ca_request(&f.node_key, &r.der, &r.size));
    CHECK(r.size < 256);
    at = r.der;
    x = d2i_X509_REQ(NULL, &at, (long) r.size);
    CHECK(x && at == r.der + r.size && X509_NAME_entry_count(X509_REQ_get_subject_name(x)) == 0 && X509_REQ_get_attr_count(x) == 0);
    CHECK(X509_REQ_get_version(x) == X509_REQ_VERSION_1 && X509_REQ_verify(x, key) == 1);
    CHECK_OK(issue_for(&f, r.der, r.size, &pem));
    expect_certificate(pem, key);
    CHECK_OK(ca_check(f.ca, pem, &f.node_key, NODE, NOW, NULL));
    /* a key may ask again: renewal */
    CHECK_OK(ca_request(&f.node_key, &again.der, &again.size));
    free(TAKE_PTR(pem));
    CHECK_OK(issue_for(&f, again.der, again.size, &pem));
    expect_certificate(pem, key);

    CHECK(ca_request(&SECRET_NULL, &again.der, &again.size) == -EBADMSG);
}

static void test_greedy(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(request_done) struct request r = {}, fits = {}, big = {};
    _cleanup_free_ char *pem = NULL;
    size_t padding;

    CHECK_OK(pkey_from_der(&f.node_key, &key));
    r = greedy(key, 1);
    CHECK_OK(issue_for(&f, r.der, r.size, &pem));
    expect_certificate(pem, key);
    /* up to the maximum, and no further: a signature has 2 or 3 bytes more or less */
    padding = CA_REQUEST_MAX - r.size - 16;
    fits = greedy(key, padding);
    CHECK(fits.size <= CA_REQUEST_MAX);
    free(TAKE_PTR(pem));
    CHECK_OK(issue_for(&f, fits.der, fits.size, &pem));
    big = greedy(key, padding + 32);
    CHECK(big.size > CA_REQUEST_MAX);
    refuse(&f, big.der, big.size);
}

static EVP_PKEY *rsa(void)
{
    return EVP_RSA_gen(1024);
}

static EVP_PKEY *p384(void)
{
    return EVP_EC_gen("secp384r1");
}

static EVP_PKEY *other_256(void)
{
    return EVP_EC_gen("secp256k1");
}

static EVP_PKEY *ed25519(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static EVP_PKEY *explicit_curve(void)
{
    EVP_PKEY *key = EVP_EC_gen("prime256v1");

    CHECK(key && EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit") == 1);
    return key;
}

static EVP_PKEY *compressed(void)
{
    EVP_PKEY *key = EVP_EC_gen("prime256v1");

    CHECK(key && EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed") == 1);
    return key;
}

static void test_other_keys(void)
{
    static EVP_PKEY *(*const kinds[])(void) = { rsa, p384, other_256, ed25519, explicit_curve, compressed };
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("prime256v1"), *stranger = EVP_EC_gen("prime256v1");

    CHECK(key && stranger);
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *other = kinds[i]();
        _cleanup_(request_done) struct request r = {};

        CHECK(other);
        r = sign(other, other, EVP_PKEY_is_a(other, "ED25519") ? NULL : EVP_sha256());
        CHECK(r.size <= CA_REQUEST_MAX);
        refuse(&f, r.der, r.size);
    }
    /* somebody else's signature: who asks does not have the key */
    _cleanup_(request_done) struct request r = sign(key, stranger, EVP_sha256()), longer = sign(key, key, EVP_sha512());
    refuse(&f, r.der, r.size);
    refuse(&f, longer.der, longer.size);
}

/* Every bit, every length, and bytes behind the end. */
static void test_damage(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(request_done) struct request r = {};
    _cleanup_free_ unsigned char *longer = NULL;

    CHECK_OK(ca_request(&f.node_key, &r.der, &r.size));
    for (size_t bit = 0; bit < r.size * 8; bit++) {
        r.der[bit / 8] ^= (unsigned char) (1U << bit % 8);
        refuse(&f, r.der, r.size);
        r.der[bit / 8] ^= (unsigned char) (1U << bit % 8);
    }
    for (size_t n = 0; n < r.size; n++) {
        _cleanup_free_ unsigned char *cut = malloc(n + 1);

        CHECK(cut);
        memcpy(cut, r.der, n);
        refuse(&f, cut, n);
    }
    longer = calloc(1, CA_REQUEST_MAX + 1);
    CHECK(longer);
    memcpy(longer, r.der, r.size);
    refuse(&f, longer, r.size + 1);
    refuse(&f, longer, CA_REQUEST_MAX + 1);
}

static void test_errors(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new(), g = fixture_new();
    _cleanup_(request_done) struct request r = {};
    struct error e = {};
    char *none = NULL;

    CHECK_OK(ca_request(&f.node_key, &r.der, &r.size));
    static const struct {
        const char *node, *role, *swarm;
        int expected;
    } cases[] = {
        { "x,DNS:swarm-manager", CA_ROLE_WORKER, SWARM, -EINVAL },
        { NODE, "swarm-king", SWARM, -EINVAL },
        { NODE, CA_ROLE_WORKER, "", -EINVAL },
        { NODE, CA_ROLE_WORKER, NODE, -EKEYREJECTED },
    };
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        e.text[0] = '\0';
        CHECK(ca_issue_request(&f.ca_key, f.ca, r.der, r.size, cases[i].node, cases[i].role, cases[i].swarm, NOW, &none, &e) ==
              cases[i].expected);
        CHECK(e.text[0]);
    }
    CHECK(ca_issue_request(&g.ca_key, f.ca, r.der, r.size, NODE, CA_ROLE_WORKER, SWARM, NOW, &none, &e) == -EKEYREJECTED);
    CHECK(ca_issue_request(&f.ca_key, "x", r.der, r.size, NODE, CA_ROLE_WORKER, SWARM, NOW, &none, &e) == -EBADMSG);
    CHECK(ca_issue_request(&SECRET_NULL, f.ca, r.der, r.size, NODE, CA_ROLE_WORKER, SWARM, NOW, &none, &e) == -EBADMSG);
    CHECK(ca_issue_request(&f.ca_key, f.ca, r.der, r.size, NODE, CA_ROLE_WORKER, SWARM, NOW - DAY, &none, &e) == -ETIME);
    CHECK(ca_issue_request(&f.ca_key, f.ca, "x", 1, NODE, CA_ROLE_WORKER, SWARM, NOW, &none, &e) == -EBADMSG);
    CHECK(strstr(e.text, "request") && !none);
}

struct call {
    const struct fixture *f;
    const struct request *r;
};

static int request_once(void *data)
{
    const struct call *c = data;
    _cleanup_(request_done) struct request r = {};
    int result = ca_request(&c->f->node_key, &r.der, &r.size);

    CHECK((result == 0) == (r.der != NULL));
    return result;
}

static int issue_once(void *data)
{
    const struct call *c = data;
    _cleanup_free_ char *pem = NULL;
    int result = issue_for(c->f, c->r->der, c->r->size, &pem);

    CHECK((result == 0) == (pem != NULL));
    return result;
}

static void test_faults(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(request_done) struct request r = {};

    CHECK_OK(ca_request(&f.node_key, &r.der, &r.size));
    with_faults(request_once, &(struct call) { &f, &r });
    with_faults(issue_once, &(struct call) { &f, &r });
}

static void test_erased(void)
{
    collecting = true;
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(request_done) struct request r = {};
    _cleanup_free_ char *pem = NULL;

    CHECK_OK(ca_request(&f.node_key, &r.der, &r.size));
    CHECK_OK(issue_for(&f, r.der, r.size, &pem));
    CHECK(n_blocks > 100 && count_leaks(&f.node_key) == 0 && count_leaks(&f.ca_key) == 0);
    forget_blocks();
}

int main(void)
{
    enter_test();
    test_round_trip();
    test_greedy();
    test_other_keys();
    test_errors();
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 7); /* somebody else's, which has to stay */
    test_damage();
    CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 7);
    test_faults();
    test_erased();
    return 0;
}
