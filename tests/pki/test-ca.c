/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "ca-test.h"

static int check(const struct fixture *f, int64_t now)
{
    return ca_check(f->ca, f->certificate, &f->node_key, NODE, now, NULL);
}

static void test_root(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(X509_freep) X509 *ca = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;

    CHECK_OK(certificate_from_pem(f.ca, &ca));
    CHECK(f.ca[strlen(f.ca) - 1] == '\n');
    CHECK(certificate_subject_is(ca, NID_commonName, "swarm-ca") && certificate_subject_is(ca, NID_organizationName, SWARM));
    CHECK(X509_get_version(ca) == X509_VERSION_3 && X509_check_ca(ca) == 1 && X509_get_pathlen(ca) == 0);
    CHECK(X509_get_key_usage(ca) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN) && X509_get0_subject_key_id(ca));
    CHECK(X509_get_extension_flags(ca) & EXFLAG_SS);
    CHECK(X509_get_ext_by_critical(ca, 1, -1) >= 0);
    expect_time(X509_get0_notBefore(ca), NOW - HOUR);
    expect_time(X509_get0_notAfter(ca), NOW + (int64_t) CA_DAYS * DAY);
    CHECK_OK(pkey_from_der(&f.ca_key, &key));
    CHECK(X509_check_private_key(ca, key) == 1 && X509_verify(ca, key) == 1);
}

static void test_node(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(X509_freep) X509 *c = NULL, *ca = NULL;
    _cleanup_free_ char *again = NULL;

    CHECK_OK(certificate_from_pem(f.certificate, &c));
    CHECK_OK(certificate_from_pem(f.ca, &ca));
    CHECK(certificate_subject_is(c, NID_commonName, NODE) && certificate_subject_is(c, NID_organizationName, SWARM));
    CHECK(certificate_subject_is(c, NID_organizationalUnitName, "swarm-manager"));
    CHECK(!certificate_subject_is(c, NID_commonName, "") && !certificate_subject_is(c, NID_countryName, "x"));
    CHECK(X509_check_host(c, NODE, 0, 0, NULL) == 1 && X509_check_host(c, "swarm-manager", 0, 0, NULL) == 1);
    CHECK(X509_check_host(c, OTHER_NODE, 0, 0, NULL) == 0);
    CHECK(X509_get_extended_key_usage(c) == (XKU_SSL_SERVER | XKU_SSL_CLIENT));
    CHECK(X509_get_key_usage(c) == KU_DIGITAL_SIGNATURE && X509_check_ca(c) == 0);
    CHECK(X509_check_issued(ca, c) == X509_V_OK && X509_get0_authority_key_id(c));
    expect_time(X509_get0_notBefore(c), NOW - HOUR);
    expect_time(X509_get0_notAfter(c), NOW + CA_NODE_DAYS * DAY);
    CHECK_OK(check(&f, NOW));
    /* no serial number twice */
    CHECK_OK(issue(&f, NOW, &again));
    _cleanup_(X509_freep) X509 *d = NULL;
    CHECK_OK(certificate_from_pem(again, &d));
    CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(c), X509_get0_serialNumber(d)) != 0);
    CHECK(X509_get0_serialNumber(c)->length > 10 && X509_get0_serialNumber(c)->length <= 16);
}

static void test_times(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_free_ char *late = NULL, *none = NULL;
    struct error e = {};
    int64_t end = NOW + (int64_t) CA_DAYS * DAY;

    CHECK_OK(check(&f, NOW - HOUR));
    CHECK(check(&f, NOW - HOUR - 1) == -ETIME);
    CHECK_OK(check(&f, NOW + CA_NODE_DAYS * DAY - 1));
    CHECK(check(&f, NOW + CA_NODE_DAYS * DAY + 1) == -ETIME);
    CHECK(ca_check(f.ca, f.certificate, &f.node_key, NODE, end + 1, &e) == -ETIME && strstr(e.text, "CA"));
    /* expired, and not ours either: that comes first */
    CHECK(ca_check(f.ca, f.certificate, &f.node_key, OTHER_NODE, end + 1, &e) == -EBADMSG);

    CHECK(issue(&f, end + 1, &none) == -ETIME && issue(&f, NOW - HOUR - 1, &none) == -ETIME && !none);
    CHECK_OK(issue(&f, end - DAY, &late));
    _cleanup_(X509_freep) X509 *c = NULL;
    CHECK_OK(certificate_from_pem(late, &c));
    expect_time(X509_get0_notAfter(c), end);

    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    CHECK(ca_create(SWARM, -5, &key, &none, &e) == -EINVAL && !key.data && !none && e.text[0]);
    CHECK(ca_create(SWARM, INT64_MAX, &key, &none, &e) == -EINVAL && !key.data && !none);
    CHECK(ca_create(SWARM, INT64_C(253402300800), &key, &none, &e) == -EINVAL); /* the year 10000 */
    CHECK_OK(ca_create(SWARM, INT64_C(4102444800), &key, &none, &e)); /* 2100, beyond UTCTime */
}

static void test_strangers(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new(), g = fixture_new();
    _cleanup_free_ char *none = NULL;
    struct error e;

    CHECK(ca_check(f.ca, f.certificate, &f.node_key, OTHER_NODE, NOW, &e) == -EBADMSG);
    CHECK(ca_check(f.ca, f.certificate, &f.node_key, "", NOW, &e) == -EBADMSG);
    CHECK(ca_check(f.ca, f.certificate, &g.node_key, NODE, NOW, &e) == -EKEYREJECTED);
    /* another CA of the same name */
    CHECK(ca_check(g.ca, f.certificate, &f.node_key, NODE, NOW, &e) == -EBADMSG);
    CHECK(ca_check(f.ca, f.ca, &f.ca_key, "swarm-ca", NOW, &e) == -EBADMSG);
    /* a node's certificate is no CA */
    CHECK(ca_check(f.certificate, f.certificate, &f.node_key, NODE, NOW, &e) == -EBADMSG);

    CHECK(ca_issue(&g.ca_key, f.ca, &f.node_key, NODE, CA_ROLE_WORKER, SWARM, NOW, &none, &e) == -EKEYREJECTED);
    CHECK(ca_issue(&f.ca_key, f.ca, &f.node_key, NODE, CA_ROLE_WORKER, NODE, NOW, &none, &e) == -EKEYREJECTED);
    CHECK(ca_issue(&f.ca_key, f.ca, &f.node_key, NODE, "swarm-king", SWARM, NOW, &none, &e) == -EINVAL);
    CHECK(ca_issue(&f.ca_key, f.ca, &f.node_key, "x,DNS:swarm-manager", CA_ROLE_WORKER, SWARM, NOW, &none, &e) == -EINVAL);
    CHECK(ca_issue(&f.ca_key, f.ca, &f.node_key, NODE, CA_ROLE_WORKER, "", NOW, &none, &e) == -EINVAL);
    CHECK(!none);
}

/* A certificate by the CA's key that lacks one of the things it needs, or has one too many. */
static char *forge(const struct fixture *f, const char *organization, const char *usage, const char *basic)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *ca_key = NULL, *key = NULL;
    _cleanup_(X509_freep) X509 *ca = NULL, *c = NULL;
    char *pem;

    CHECK_OK(pkey_from_der(&f->ca_key, &ca_key));
    CHECK_OK(pkey_from_der(&f->node_key, &key));
    CHECK_OK(certificate_from_pem(f->ca, &ca));
    CHECK_OK(certificate_new(key, NOW, 90, &c));
    CHECK_OK(certificate_set_subject(c, organization, CA_ROLE_MANAGER, NODE));
    CHECK_OK(certificate_add_extension(c, ca, NID_basic_constraints, basic));
    CHECK_OK(certificate_add_extension(c, ca, NID_ext_key_usage, usage));
    if (strstr(basic, "TRUE")) /* without this, OpenSSL refuses it already */
        CHECK_OK(certificate_add_extension(c, ca, NID_key_usage, "critical,digitalSignature,keyCertSign"));
    CHECK_OK(certificate_add_extension(c, ca, NID_subject_key_identifier, "hash"));
    CHECK_OK(certificate_add_extension(c, ca, NID_authority_key_identifier, "keyid:always"));
    CHECK(X509_set_issuer_name(c, X509_get_subject_name(ca)) == 1 && X509_sign(c, ca_key, EVP_sha256()) > 0);
    CHECK_OK(certificate_to_pem(c, &pem));
    return pem;
}

static void test_forged(void)
{
    static const struct {
        const char *organization, *usage, *basic;
        int expected;
    } cases[] = {
        { SWARM, "serverAuth,clientAuth", "critical,CA:FALSE", 0 },
        { NODE, "serverAuth,clientAuth", "critical,CA:FALSE", -EBADMSG },
        { SWARM, "serverAuth", "critical,CA:FALSE", -EBADMSG },
        { SWARM, "clientAuth", "critical,CA:FALSE", -EBADMSG },
        { SWARM, "serverAuth,clientAuth", "critical,CA:TRUE", -EBADMSG },
    };
    _cleanup_(fixture_done) struct fixture f = fixture_new();

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        free(f.certificate);
        f.certificate = forge(&f, cases[i].organization, cases[i].usage, cases[i].basic);
        CHECK(check(&f, NOW) == cases[i].expected);
    }
}

/* Each byte of the DER changed in turn: no certificate but the signed one passes. */
static void test_tampered(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(X509_freep) X509 *c = NULL;
    _cleanup_free_ unsigned char *der = NULL;
    int size;

    CHECK_OK(certificate_from_pem(f.certificate, &c));
    size = i2d_X509(c, NULL);
    CHECK(size > 300);
    der = malloc((size_t) size);
    CHECK(der);
    CHECK(i2d_X509(c, &(unsigned char *) { der }) == size);
    for (int i = 0; i < size; i++) {
        _cleanup_(fixture_done) struct fixture g = {};
        char *data;

        der[i] ^= 1;
        BIO *bio = BIO_new(BIO_s_mem());
        CHECK(bio && PEM_write_bio(bio, "CERTIFICATE", "", der, size) > 0);
        long n = BIO_get_mem_data(bio, &data);
        g.certificate = strndup(data, (size_t) n);
        (void) BIO_free(bio);
        CHECK(ca_check(f.ca, g.certificate, &f.node_key, NODE, NOW, NULL) == -EBADMSG);
        der[i] ^= 1;
    }
}

static void test_damaged_texts(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_free_ char *two = NULL, *big = calloc(1, CERTIFICATE_PEM_MAX + 2);
    _cleanup_(secret_done) struct secret longer = SECRET_NULL, flipped = SECRET_NULL;
    EVP_PKEY *key = NULL;
    size_t n = strlen(f.certificate);

    CHECK(big && asprintf(&two, "%s%s", f.certificate, f.certificate) > 0);
    memset(big, '\n', CERTIFICATE_PEM_MAX + 1);
    CHECK(ca_check(f.ca, two, &f.node_key, NODE, NOW, NULL) == -EBADMSG);
    CHECK(ca_check(f.ca, big, &f.node_key, NODE, NOW, NULL) == -EBADMSG);
    CHECK(ca_check("", f.certificate, &f.node_key, NODE, NOW, NULL) == -EBADMSG);
    for (size_t i = 2; i < n; i += 17) { /* the newline may go, nothing else */
        two[n - i] = '\0';
        CHECK(ca_check(f.ca, two, &f.node_key, NODE, NOW, NULL) == -EBADMSG);
    }
    /* keys: a byte too many, each one changed, and halves that do not belong together */
    CHECK_OK(secret_new(f.node_key.size + 1, &longer));
    memcpy(longer.data, f.node_key.data, f.node_key.size);
    CHECK(pkey_from_der(&longer, &key) == -EBADMSG);
    CHECK(pkey_from_der(&SECRET_NULL, &key) == -EBADMSG);
    CHECK_OK(secret_copy(f.node_key.data, f.node_key.size, &flipped));
    for (size_t i = 0; i < flipped.size; i++) {
        flipped.data[i] ^= 1;
        CHECK(ca_check(f.ca, f.certificate, &flipped, NODE, NOW, NULL) == -EBADMSG);
        flipped.data[i] ^= 1;
    }
    memset(flipped.data + 36, 0, 32); /* the scalar 0, and one beyond the group's order */
    CHECK(pkey_from_der(&flipped, &key) == -EBADMSG);
    memset(flipped.data + 36, 0xff, 32);
    CHECK(pkey_from_der(&flipped, &key) == -EBADMSG);
    secret_truncate(&flipped, flipped.size - 1);
    CHECK(pkey_from_der(&flipped, &key) == -EBADMSG && !key);
}

/* The keys are what others call PKCS#8: OpenSSL reads ours and writes the same bytes. Other curves and kinds are refused. */
static void test_pkcs8(void)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *p384 = EVP_EC_gen("secp384r1"), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    _cleanup_(secret_done) struct secret der = SECRET_NULL;

    CHECK(p384 && ed && pkey_to_der(p384, &der) == -EIO && pkey_to_der(ed, &der) == -EIO && !der.data);
    for (unsigned i = 0; i < 50; i++) {
        _cleanup_(secret_done) struct secret ours = SECRET_NULL;
        unsigned char theirs[512], *at = theirs;

        CHECK_OK(ca_node_key(&ours));
        const unsigned char *p = ours.data;
        PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long) ours.size);
        CHECK(info && p == ours.data + ours.size);
        EVP_PKEY *key = EVP_PKCS82PKEY(info);
        CHECK(key);
        PKCS8_PRIV_KEY_INFO_free(info);
        info = EVP_PKEY2PKCS8(key);
        CHECK(info && i2d_PKCS8_PRIV_KEY_INFO(info, NULL) == PKEY_DER_SIZE);
        CHECK(i2d_PKCS8_PRIV_KEY_INFO(info, &at) == PKEY_DER_SIZE && memcmp(theirs, ours.data, PKEY_DER_SIZE) == 0);
        PKCS8_PRIV_KEY_INFO_free(info);
        EVP_PKEY_free(key);
    }
}

/* Nothing that OpenSSL frees holds a key that it has made or worked with. */
static void test_erased(void)
{
    collecting = true;
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    EVP_PKEY *key = NULL;
    struct secret der;

    CHECK_OK(check(&f, NOW));
    CHECK_OK(pkey_from_der(&f.node_key, &key));
    CHECK_OK(pkey_to_der(key, &der));
    CHECK(der.size == f.node_key.size && memcmp(der.data, f.node_key.data, der.size) == 0);
    secret_done(&der);
    EVP_PKEY_free(key);
    CHECK(n_blocks > 100);
    CHECK(count_leaks(&f.node_key) == 0 && count_leaks(&f.ca_key) == 0);

    /* and the search does find: this is how OpenSSL 3.5 itself reads a key */
    const unsigned char *p = f.node_key.data;
    key = d2i_AutoPrivateKey(NULL, &p, (long) f.node_key.size);
    CHECK(key && EVP_PKEY_is_a(key, "EC") && p == f.node_key.data + f.node_key.size);
    EVP_PKEY_free(key);
    char *copy = OPENSSL_memdup(f.node_key.data, f.node_key.size);
    CHECK(copy);
    OPENSSL_free(copy);
    CHECK(count_leaks(&f.node_key) > 0 && count_leaks(&f.ca_key) == 0);
    forget_blocks();
}

int main(void)
{
    enter_test();
    ERR_raise(ERR_LIB_USER, 7); /* somebody else's, which has to stay */
    test_root();
    test_node();
    test_times();
    test_strangers();
    test_forged();
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 7);
    {
        _cleanup_(fixture_done) struct fixture f = fixture_new();
        CHECK(ca_check("x", "y", &f.node_key, NODE, NOW, NULL) == -EBADMSG);
        CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 7);
    }
    test_tampered();
    test_damaged_texts();
    test_pkcs8();
    test_erased();
    return 0;
}
