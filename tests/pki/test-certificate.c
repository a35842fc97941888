/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "ca-test.h"
#include "pki/join_token.h"

typedef STACK_OF(X509) list;

DEFINE_CLEANUP(list *, certificate_list_free)

static X509 *parse(const char *pem)
{
    X509 *c = NULL;

    CHECK_OK(certificate_from_pem(pem, &c));
    return c;
}

static void test_info(void)
{
    static const char *const roles[] = { CA_ROLE_MANAGER, CA_ROLE_WORKER };
    _cleanup_(fixture_done) struct fixture f = fixture_new();

    for (size_t i = 0; i < ELEMENTSOF(roles); i++) {
        _cleanup_(X509_freep) X509 *c = NULL;
        _cleanup_free_ char *pem = NULL;
        struct certificate_info info;
        unsigned char digest[32], der[2048];
        int size;

        CHECK_OK(ca_issue(&f.ca_key, f.ca, &f.node_key, NODE, roles[i], SWARM, NOW, &pem, NULL));
        c = parse(pem);
        CHECK_OK(certificate_info(c, &info));
        CHECK(strcmp(info.node_id, NODE) == 0 && strcmp(info.swarm_id, SWARM) == 0 && strcmp(info.role, roles[i]) == 0);
        CHECK(info.not_before == NOW - HOUR && info.not_after == NOW + CA_NODE_DAYS * DAY);
        size = i2d_X509(c, NULL);
        CHECK(size > 0 && size < (int) sizeof(der) && i2d_X509(c, &(unsigned char *) { der }) == size);
        CHECK(EVP_Digest(der, (size_t) size, digest, NULL, EVP_sha256(), NULL) == 1);
        CHECK(memcmp(info.digest, digest, 32) == 0);
    }
    /* after 2049 times have another form */
    _cleanup_free_ char *late = NULL;
    int64_t now = INT64_C(3000000000);
    fixture_done(&f);
    f = (struct fixture) {};
    CHECK_OK(ca_create(SWARM, now, &f.ca_key, &f.ca, NULL));
    CHECK_OK(ca_node_key(&f.node_key));
    CHECK_OK(issue(&f, now, &late));
    _cleanup_(X509_freep) X509 *c = parse(late);
    struct certificate_info info;
    CHECK_OK(certificate_info(c, &info));
    CHECK(info.not_before == now - HOUR && info.not_after == now + CA_NODE_DAYS * DAY);
}

struct form {
    const char *subject[8]; /* attribute, value, … */
    const char *usage, *basic;
};

static X509 *make(const struct form *form)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    X509 *c = NULL;
    X509_NAME *name;

    CHECK_OK(pkey_new(&key));
    CHECK_OK(certificate_new(key, NOW, 90, &c));
    name = X509_get_subject_name(c);
    for (size_t i = 0; i < ELEMENTSOF(form->subject) && form->subject[i]; i += 2)
        CHECK(X509_NAME_add_entry_by_txt(name, form->subject[i], MBSTRING_UTF8, (const unsigned char *) form->subject[i + 1], -1, -1, 0) == 1);
    if (form->usage)
        CHECK_OK(certificate_add_extension(c, c, NID_ext_key_usage, form->usage));
    if (form->basic)
        CHECK_OK(certificate_add_extension(c, c, NID_basic_constraints, form->basic));
    CHECK(X509_set_issuer_name(c, name) == 1 && X509_sign(c, key, EVP_sha256()) > 0);
    return c;
}

#define BOTH "serverAuth,clientAuth"
#define NO_CA "critical,CA:FALSE"

static void test_other_forms(void)
{
    static const struct {
        struct form form;
        int expected;
    } cases[] = {
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "CN", NODE }, BOTH, NO_CA }, 0 },
        { { { "CN", NODE, "OU", CA_ROLE_WORKER, "O", SWARM }, BOTH, NO_CA }, 0 },
        { { { "OU", CA_ROLE_WORKER, "CN", NODE }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "CN", NODE }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER }, BOTH, NO_CA }, -EBADMSG },
        { { { NULL }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "OU", CA_ROLE_MANAGER, "CN", NODE }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "CN", NODE, "C", "DE" }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", "swarm-king", "CN", NODE }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", "swarm-manager-of-more", "CN", NODE }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", "Swarm00000000000000000000", "OU", CA_ROLE_WORKER, "CN", NODE }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "CN", "node" }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "CN", NODE "0" }, BOTH, NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "CN", NODE }, "serverAuth", NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "CN", NODE }, "clientAuth", NO_CA }, -EBADMSG },
        { { { "O", SWARM, "OU", CA_ROLE_WORKER, "CN", NODE }, BOTH, "critical,CA:TRUE" }, -EBADMSG },
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(X509_freep) X509 *c = make(&cases[i].form);
        struct certificate_info info = { .not_after = 77 };

        CHECK(certificate_info(c, &info) == cases[i].expected);
        CHECK((info.not_after == 77) == (cases[i].expected < 0));
    }
    /* a NUL inside: the text before it is a right id, the attribute is not */
    _cleanup_(X509_freep) X509 *c = make(&cases[4].form);
    struct certificate_info info;
    CHECK(X509_NAME_add_entry_by_NID(X509_get_subject_name(c), NID_commonName, V_ASN1_UTF8STRING, (const unsigned char *) NODE "\0", 26, -1,
                                     0) == 1);
    CHECK(certificate_info(c, &info) == -EBADMSG);
    _cleanup_(X509_freep) X509 *empty = X509_new();
    CHECK(empty && certificate_info(empty, &info) == -EBADMSG);
}

static void refuse(const char *text, unsigned max)
{
    STACK_OF(X509) *none = NULL;

    CHECK(certificate_list_from_pem(text, max, &none) == -EBADMSG && !none);
}

static void test_list(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(certificate_list_freep) list *one = NULL, *three = NULL;
    _cleanup_(X509_freep) X509 *node = parse(f.certificate), *ca = parse(f.ca);
    _cleanup_free_ char *all = NULL, *changed = NULL, *big = NULL;
    size_t n;

    CHECK_OK(certificate_list_from_pem(f.ca, 4, &one));
    CHECK(sk_X509_num(one) == 1);
    CHECK(asprintf(&all, "%s%s%s", f.certificate, f.ca, f.certificate) > 0);
    CHECK_OK(certificate_list_from_pem(all, 3, &three));
    CHECK(sk_X509_num(three) == 3 && X509_cmp(sk_X509_value(three, 0), node) == 0 && X509_cmp(sk_X509_value(three, 1), ca) == 0 &&
          X509_cmp(sk_X509_value(three, 2), node) == 0);
    refuse(all, 2);
    refuse(all, 0);
    refuse("", 4);
    refuse("\n", 4);
    /* nothing before, between or behind */
    static const char *const formats[] = { "\n%s%s", " %s%s", "%s\n%s", "x\n%s%s", "%sx\n%s", "%s%s\n", "%s%sx" };
    for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
        _cleanup_free_ char *text = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        CHECK(asprintf(&text, formats[i], f.ca, f.ca) > 0);
#pragma GCC diagnostic pop
        refuse(text, 4);
    }
    /* every cut, but for the newline at the end */
    n = strlen(all);
    changed = malloc(n + 1);
    CHECK(changed);
    for (size_t size = 0; size < n - 1; size++) {
        if (size == strlen(f.certificate) || size == strlen(f.certificate) + strlen(f.ca) || size == strlen(f.certificate) - 1 ||
            size == strlen(f.certificate) + strlen(f.ca) - 1)
            continue;
        memcpy(changed, all, size);
        changed[size] = '\0';
        refuse(changed, 4);
    }
    /* too much of it */
    big = malloc(CERTIFICATE_PEM_MAX + n + 1);
    CHECK(big);
    for (n = 0; n <= CERTIFICATE_PEM_MAX; n += strlen(f.ca))
        strcpy(big + n, f.ca);
    refuse(big, 1000);
    big[n - strlen(f.ca)] = '\0';
    _cleanup_(certificate_list_freep) list *many = NULL;
    CHECK_OK(certificate_list_from_pem(big, 1000, &many));
    certificate_list_free(NULL);
}

static char *block(const char *name, const char *header, const unsigned char *data, long size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *copy;
    long n;

    CHECK(bio && PEM_write_bio(bio, name, header, data, size) > 0);
    n = BIO_get_mem_data(bio, &text);
    copy = strndup(text, (size_t) n);
    CHECK(copy);
    (void) BIO_free(bio);
    return copy;
}

/* Blocks that PEM_read_bio_X509 takes: under other names, with something behind the certificate, and those for which it asks the terminal. */
static void test_blocks(void)
{
    static const struct {
        const char *name, *header;
        long more;
        bool good;
    } cases[] = {
        { "CERTIFICATE", "", 0, true },
        { "X509 CERTIFICATE", "", 0, false },
        { "TRUSTED CERTIFICATE", "", 0, false },
        { "CERTIFICATE-----x", "", 0, false },
        { "CERTIFICATE", "", 1, false },
        { "CERTIFICATE", "", -1, false },
        { "CERTIFICATE", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00000000000000000000000000000000\n", 0, false },
        { "CERTIFICATE", "Comment: x\n", 0, false },
    };
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(X509_freep) X509 *c = parse(f.certificate);
    unsigned char der[2048] = {}, *at = der;
    int size = i2d_X509(c, NULL);

    CHECK(size > 0 && size < (int) sizeof(der) && i2d_X509(c, &at) == size);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_free_ char *text = block(cases[i].name, cases[i].header, der, size + cases[i].more);
        _cleanup_(certificate_list_freep) list *found = NULL;
        X509 *none = NULL;

        if (cases[i].good)
            CHECK_OK(certificate_list_from_pem(text, 4, &found));
        else {
            refuse(text, 4);
            CHECK(certificate_from_pem(text, &none) == -EBADMSG && !none);
        }
    }
}

static void test_digest(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(X509_freep) X509 *ca = parse(f.ca);
    unsigned char digest[32], expected[JOIN_TOKEN_DIGEST_SIZE];

    CHECK_OK(ca_digest_of(ca, digest));
    CHECK_OK(join_token_ca_digest(f.ca, strlen(f.ca), expected));
    CHECK(memcmp(digest, expected, 32) == 0);
}

static int list_once(void *data)
{
    _cleanup_(certificate_list_freep) list *found = NULL;
    int r = certificate_list_from_pem(data, 4, &found);

    CHECK((r == 0) == (found != NULL));
    return r;
}

/* A fresh copy each time, as OpenSSL notes in the certificate what it found. */
static int info_once(void *data)
{
    unsigned long at = fail_at;
    _cleanup_(X509_freep) X509 *c = NULL;
    struct certificate_info info = {};
    int r;

    fail_at = 0;
    CHECK_OK(certificate_from_pem(data, &c));
    fail_at = at;
    r = certificate_info(c, &info);
    CHECK((r == 0) == (info.not_after != 0));
    return r;
}

static int digest_once(void *data)
{
    unsigned char digest[32];

    return ca_digest_of(data, digest);
}

static void test_faults(void)
{
    _cleanup_(fixture_done) struct fixture f = fixture_new();
    _cleanup_(X509_freep) X509 *ca = parse(f.ca);
    _cleanup_free_ char *all = NULL;

    CHECK(asprintf(&all, "%s%s", f.certificate, f.ca) > 0);
    with_faults(list_once, all);
    with_faults(info_once, f.certificate);
    with_faults(digest_once, ca);
}

int main(void)
{
    enter_test();
    ERR_raise(ERR_LIB_USER, 7); /* somebody else's, which has to stay */
    test_list();
    CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 7);
    test_blocks();
    CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 7);
    test_digest();
    test_info();
    test_other_forms();
    CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 7);
    test_faults();
    return 0;
}
