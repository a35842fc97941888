/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A swarm changes its root: chains as OpenSSL verifies them for both ends of a TLS connection. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "ca-test.h"

#define CHAIN_MAX 4
#define END (NOW + (int64_t) CA_DAYS * DAY)

/* A swarm with the next root, and a node certificate from that. */
struct change {
    struct fixture old, new;
    char *cross;
};

static void change_done(struct change *c)
{
    fixture_done(&c->old);
    fixture_done(&c->new);
    free(c->cross);
}

static int cross(const struct fixture *old, const struct fixture *new, int64_t now, char **ret)
{
    return ca_cross_sign(&old->ca_key, old->ca, new->ca, now, ret, NULL);
}

static struct change change_new(void)
{
    struct change c = { fixture_new(), fixture_new(), NULL };

    CHECK_OK(cross(&c.old, &c.new, NOW, &c.cross));
    return c;
}

static X509 *parse(const char *pem)
{
    X509 *c = NULL;

    CHECK_OK(certificate_from_pem(pem, &c));
    return c;
}

static STACK_OF(X509) *parse_all(const char *const pems[])
{
    STACK_OF(X509) *list = sk_X509_new_null();

    CHECK(list);
    for (size_t i = 0; i < CHAIN_MAX && pems[i]; i++)
        CHECK(sk_X509_push(list, parse(pems[i])) > 0);
    return list;
}

static int verify_for(X509_STORE *store, X509 *leaf, STACK_OF(X509) *sent, const char *purpose, unsigned long flags, int64_t now)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    int error;

    CHECK(context && X509_STORE_CTX_init(context, store, leaf, sent) == 1 && X509_STORE_CTX_set_default(context, purpose) == 1);
    param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(param, now);
    CHECK(X509_VERIFY_PARAM_set_flags(param, flags) == 1);
    error = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    return error;
}

/* OpenSSL's verdict, which has to be the same for clients and servers, as it comes and at its strictest. sent[0] is the certificate. */
static int verify_at(const char *const roots[], const char *const sent[], int64_t now)
{
    STACK_OF(X509) *trusted = parse_all(roots), *chain = parse_all(sent);
    X509_STORE *store = X509_STORE_new();
    int error;

    CHECK(store);
    for (int i = 0; i < sk_X509_num(trusted); i++)
        CHECK(X509_STORE_add_cert(store, sk_X509_value(trusted, i)) == 1);
    error = verify_for(store, sk_X509_value(chain, 0), chain, "ssl_server", 0, now);
    CHECK(verify_for(store, sk_X509_value(chain, 0), chain, "ssl_client", 0, now) == error);
    CHECK(verify_for(store, sk_X509_value(chain, 0), chain, "ssl_server", X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE, now) ==
          error);
    CHECK(verify_for(store, sk_X509_value(chain, 0), chain, "ssl_client", X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE, now) ==
          error);
    X509_STORE_free(store);
    certificate_list_free(trusted);
    certificate_list_free(chain);
    return error;
}

#define LIST(...) ((const char *const[CHAIN_MAX + 1]) { __VA_ARGS__ })
#define VERIFY(roots, ...) verify_at(roots, LIST(__VA_ARGS__), NOW)

static void test_form(void)
{
    _cleanup_(change_done) struct change c = change_new();
    _cleanup_(X509_freep) X509 *x = parse(c.cross), *old = parse(c.old.ca), *new = parse(c.new.ca);

    CHECK(X509_NAME_cmp(X509_get_subject_name(x), X509_get_subject_name(new)) == 0);
    CHECK(X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(old)) == 0);
    CHECK(EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(new)) == 1 && X509_verify(x, X509_get0_pubkey(old)) == 1);
    CHECK(X509_check_ca(x) == 1 && X509_get_pathlen(x) == 0 && X509_get_key_usage(x) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
    CHECK((X509_get_extension_flags(x) & (EXFLAG_SI | EXFLAG_SS)) == EXFLAG_SI);
    CHECK(ASN1_OCTET_STRING_cmp(X509_get0_subject_key_id(x), X509_get0_subject_key_id(new)) == 0);
    CHECK(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(x), X509_get0_subject_key_id(old)) == 0);
    CHECK(X509_get_ext_count(x) == 4 && X509_get_ext_by_critical(x, 1, -1) >= 0);
    expect_time(X509_get0_notBefore(x), NOW - HOUR);
    expect_time(X509_get0_notAfter(x), END);
}

static void test_chains(void)
{
    _cleanup_(change_done) struct change c = change_new();
    const char *const *old = LIST(c.old.ca), *const *new = LIST(c.new.ca), *const *both = LIST(c.old.ca, c.new.ca);

    /* who trusts the old root alone */
    CHECK(VERIFY(old, c.new.certificate, c.cross) == X509_V_OK);
    CHECK(VERIFY(old, c.new.certificate, c.cross, c.new.ca) == X509_V_OK);
    CHECK(VERIFY(old, c.new.certificate, c.cross, c.old.ca) == X509_V_OK);
    CHECK(VERIFY(old, c.new.certificate, c.new.ca, c.cross) == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN); /* the order counts */
    CHECK(VERIFY(old, c.new.certificate) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    CHECK(VERIFY(old, c.new.certificate, c.new.ca) == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
    CHECK(VERIFY(old, c.old.certificate, c.cross) == X509_V_OK);
    /* the new one alone */
    CHECK(VERIFY(new, c.new.certificate) == X509_V_OK);
    CHECK(VERIFY(new, c.new.certificate, c.cross) == X509_V_OK);
    CHECK(VERIFY(new, c.new.certificate, c.cross, c.new.ca) == X509_V_OK);
    CHECK(VERIFY(new, c.new.certificate, c.new.ca, c.cross) == X509_V_OK);
    CHECK(VERIFY(new, c.old.certificate, c.cross) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY); /* it goes one way */
    /* and both */
    CHECK(VERIFY(both, c.new.certificate, c.cross, c.new.ca) == X509_V_OK);
    CHECK(VERIFY(both, c.new.certificate, c.new.ca, c.cross) == X509_V_OK);
    CHECK(VERIFY(both, c.new.certificate) == X509_V_OK && VERIFY(both, c.old.certificate, c.cross) == X509_V_OK);
    CHECK_OK(ca_check(c.new.ca, c.new.certificate, &c.new.node_key, NODE, NOW, NULL));
    CHECK(ca_check(c.old.ca, c.new.certificate, &c.new.node_key, NODE, NOW, NULL) == -EBADMSG);
    /* a cross certificate is no root and no node's */
    struct certificate_info info;
    _cleanup_(X509_freep) X509 *x = parse(c.cross);
    CHECK(certificate_info(x, &info) == -EBADMSG);
    CHECK(VERIFY(LIST(c.cross), c.new.certificate) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT);
}

/* A second change before everybody has seen the first. */
static void test_twice(void)
{
    _cleanup_(change_done) struct change c = change_new();
    _cleanup_(fixture_done) struct fixture third = fixture_new();
    _cleanup_free_ char *second = NULL;

    CHECK_OK(cross(&c.new, &third, NOW, &second));
    CHECK(VERIFY(LIST(c.old.ca), third.certificate, second, c.cross) == X509_V_OK);
    CHECK(VERIFY(LIST(c.old.ca), third.certificate, second) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    CHECK(VERIFY(LIST(c.new.ca), third.certificate, second, c.cross) == X509_V_OK);
    CHECK(VERIFY(LIST(third.ca), third.certificate, second, c.cross) == X509_V_OK);
}

/* The path length still keeps every other CA out. */
static void test_below(void)
{
    _cleanup_(change_done) struct change c = change_new();
    _cleanup_(X509_freep) X509 *root = parse(c.new.ca), *sub = NULL, *leaf = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *root_key = NULL, *sub_key = NULL, *key = NULL;
    _cleanup_free_ char *sub_pem = NULL, *leaf_pem = NULL;

    CHECK_OK(pkey_from_der(&c.new.ca_key, &root_key));
    CHECK_OK(pkey_new(&sub_key));
    CHECK_OK(pkey_new(&key));
    CHECK_OK(certificate_new(sub_key, NOW, 90, &sub));
    CHECK_OK(certificate_set_subject(sub, SWARM, NULL, "another-ca"));
    CHECK_OK(certificate_add_extension(sub, root, NID_basic_constraints, "critical,CA:TRUE"));
    CHECK_OK(certificate_add_extension(sub, root, NID_key_usage, "critical,keyCertSign"));
    CHECK_OK(certificate_add_extension(sub, root, NID_subject_key_identifier, "hash"));
    CHECK_OK(certificate_add_extension(sub, root, NID_authority_key_identifier, "keyid:always"));
    CHECK(X509_set_issuer_name(sub, X509_get_subject_name(root)) == 1 && X509_sign(sub, root_key, EVP_sha256()) > 0);
    CHECK_OK(certificate_to_pem(sub, &sub_pem));
    CHECK_OK(certificate_new(key, NOW, 90, &leaf));
    CHECK_OK(certificate_set_subject(leaf, SWARM, CA_ROLE_MANAGER, NODE));
    CHECK_OK(certificate_add_extension(leaf, sub, NID_ext_key_usage, "serverAuth,clientAuth"));
    CHECK_OK(certificate_add_extension(leaf, sub, NID_subject_alt_name, "DNS:" NODE));
    CHECK_OK(certificate_add_extension(leaf, sub, NID_subject_key_identifier, "hash"));
    CHECK_OK(certificate_add_extension(leaf, sub, NID_authority_key_identifier, "keyid:always"));
    CHECK(X509_set_issuer_name(leaf, X509_get_subject_name(sub)) == 1 && X509_sign(leaf, sub_key, EVP_sha256()) > 0);
    CHECK_OK(certificate_to_pem(leaf, &leaf_pem));
    CHECK(VERIFY(LIST(c.new.ca), leaf_pem, sub_pem) == X509_V_ERR_PATH_LENGTH_EXCEEDED);
    CHECK(VERIFY(LIST(c.old.ca), leaf_pem, sub_pem, c.cross) == X509_V_ERR_PATH_LENGTH_EXCEEDED);
}

/* A fixture whose root was made at another time. */
static struct fixture fixture_at(int64_t now)
{
    struct fixture f = {};

    CHECK_OK(ca_create(SWARM, now, &f.ca_key, &f.ca, NULL));
    CHECK_OK(ca_node_key(&f.node_key));
    CHECK_OK(issue(&f, now, &f.certificate));
    return f;
}

static void expect_end(const char *pem, int64_t end)
{
    _cleanup_(X509_freep) X509 *x = parse(pem);

    expect_time(X509_get0_notAfter(x), end);
}

static void test_times(void)
{
    int64_t late = END - 30 * DAY;
    _cleanup_(fixture_done) struct fixture old = fixture_new(), new = fixture_at(late);
    _cleanup_free_ char *x = NULL, *back = NULL, *none = NULL;
    struct error e;

    /* it ends with the old root; whoever knows the new one goes on */
    CHECK_OK(cross(&old, &new, late, &x));
    expect_end(x, END);
    CHECK(verify_at(LIST(old.ca), LIST(new.certificate, x), late) == X509_V_OK);
    CHECK(verify_at(LIST(old.ca), LIST(new.certificate, x), END - 1) == X509_V_OK);
    CHECK(verify_at(LIST(old.ca), LIST(new.certificate, x), END + 1) == X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK(verify_at(LIST(new.ca), LIST(new.certificate, x), END + 1) == X509_V_OK);
    /* or with the new one, where that ends first */
    CHECK_OK(cross(&new, &old, late, &back));
    expect_end(back, END);

    CHECK(cross(&old, &new, END + 1, &none) == -ETIME && cross(&old, &new, NOW, &none) == -ETIME);
    CHECK(cross(&new, &old, NOW, &none) == -ETIME);
    CHECK(ca_cross_sign(&new.ca_key, new.ca, old.ca, END + 1, &none, &e) == -ETIME && strstr(e.text, "new CA"));
    CHECK(!none);
}

static void test_errors(void)
{
    _cleanup_(change_done) struct change c = change_new();
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_free_ char *stranger = NULL, *two = NULL, *forged = NULL;
    const char *const bad[] = { c.old.certificate, c.cross, "", "x" };
    struct error e = {};
    char *none = NULL;

    CHECK(ca_cross_sign(&c.new.ca_key, c.old.ca, c.new.ca, NOW, &none, &e) == -EKEYREJECTED && e.text[0]);
    CHECK(ca_cross_sign(&SECRET_NULL, c.old.ca, c.new.ca, NOW, &none, &e) == -EBADMSG);
    CHECK(ca_cross_sign(&c.old.ca_key, "", c.new.ca, NOW, &none, &e) == -EBADMSG);
    CHECK(ca_cross_sign(&c.old.ca_key, c.old.ca, c.old.ca, NOW, &none, &e) == -EINVAL && strstr(e.text, "key"));
    CHECK_OK(ca_create(NODE, NOW, &key, &stranger, NULL));
    CHECK(ca_cross_sign(&c.old.ca_key, c.old.ca, stranger, NOW, &none, &e) == -EBADMSG);
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(ca_cross_sign(&c.old.ca_key, c.old.ca, bad[i], NOW, &none, &e) == -EBADMSG);
    CHECK(asprintf(&two, "%s%s", c.new.ca, c.new.ca) > 0);
    CHECK(ca_cross_sign(&c.old.ca_key, c.old.ca, two, NOW, &none, &e) == -EBADMSG);
    /* the new root's bytes with another's signature */
    _cleanup_(X509_freep) X509 *root = parse(c.new.ca);
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *signer = NULL;
    CHECK_OK(pkey_from_der(&c.old.ca_key, &signer));
    CHECK(X509_sign(root, signer, EVP_sha256()) > 0);
    CHECK_OK(certificate_to_pem(root, &forged));
    CHECK(ca_cross_sign(&c.old.ca_key, c.old.ca, forged, NOW, &none, &e) == -EBADMSG);
    CHECK(!none);
}

static int cross_once(void *data)
{
    const struct change *c = data;
    _cleanup_free_ char *pem = NULL;
    int r = cross(&c->old, &c->new, NOW, &pem);

    CHECK((r == 0) == (pem != NULL));
    return r;
}

static void test_erased(void)
{
    collecting = true;
    _cleanup_(change_done) struct change c = change_new();

    CHECK(n_blocks > 100 && count_leaks(&c.old.ca_key) == 0 && count_leaks(&c.new.ca_key) == 0);
    forget_blocks();
}

int main(void)
{
    enter_test();
    test_form();
    test_chains();
    test_twice();
    test_below();
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 7); /* somebody else's, which has to stay */
    test_times();
    CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 7);
    test_errors();
    {
        _cleanup_(change_done) struct change c = change_new();
        with_faults(cross_once, &c);
    }
    test_erased();
    return 0;
}
