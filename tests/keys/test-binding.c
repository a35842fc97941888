/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-binding FOLDER: with the tokens there, as clevis 20 and systemd 257 wrote them. */
#include <errno.h>
#include <sodium.h>

#include "basic/cleanup.h"
#include "keys/binding.h"
#include "test.h"

#define TOKEN_MAX 65536
#define TPM2(members) "{\"type\":\"systemd-tpm2\",\"keyslots\":[\"1\"]," members "}"

static const char *folder;
static char kind[KEYSLOT_KIND_MAX], binding[KEYSLOT_BINDING_MAX];

static void describe(const char *token)
{
    memset(kind, 'x', sizeof(kind));
    memset(binding, 'x', sizeof(binding));
    binding_describe(token, kind, binding);
    CHECK(memchr(kind, 0, sizeof(kind)) && memchr(binding, 0, sizeof(binding)) && kind[0] != '\0');
    for (const char *p = kind; *p; p++)
        CHECK(*p >= 0x20 && *p <= 0x7e);
    for (const char *p = binding; *p; p++)
        CHECK(*p >= 0x20 && *p <= 0x7e);
}

static void is(const char *wanted_kind, const char *wanted_binding)
{
    if (strcmp(kind, wanted_kind) != 0 || strcmp(binding, wanted_binding) != 0)
        (void) fprintf(stderr, "%s: \"%s\" instead of %s: \"%s\"\n", kind, binding, wanted_kind, wanted_binding);
    CHECK(strcmp(kind, wanted_kind) == 0 && strcmp(binding, wanted_binding) == 0);
}

static char *sample(const char *name)
{
    static char text[TOKEN_MAX], path[4096];
    _cleanup_fclose_ FILE *f = NULL;

    (void) snprintf(path, sizeof(path), "%s/token-%s", folder, name);
    f = fopen(path, "re");
    CHECK(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    return text;
}

/* A clevis token around the header that the clevis command would have written. */
static char *clevis(const char *header)
{
    static char text[TOKEN_MAX], digits[TOKEN_MAX - 256];

    CHECK(strlen(header) < sizeof(digits) / 2);
    (void) sodium_bin2base64(digits, sizeof(digits), (const unsigned char *) header, strlen(header),
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void) snprintf(text, sizeof(text), "{\"type\":\"clevis\",\"keyslots\":[\"1\"],\"jwe\":{\"protected\":\"%s\"}}", digits);
    return text;
}

/* One share of an sss pin: a compact JWE. */
static void share(char *ret, size_t size, const char *header)
{
    char digits[TOKEN_MAX];

    (void) sodium_bin2base64(digits, sizeof(digits), (const unsigned char *) header, strlen(header),
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    CHECK(snprintf(ret, size, "%s..c.c.c", digits) < (int) size);
}

static int pcrs(const char *token, char *ret)
{
    int r;

    (void) strcpy(ret, "untouched");
    r = binding_tpm2_pcrs(token, ret, 64);
    CHECK(r == 0 || strcmp(ret, "untouched") == 0);
    return r;
}

static void test_samples(void)
{
    char text[64];

    describe(sample("tang"));
    is("tang", "http://127.0.0.1:18081");
    describe(sample("sss"));
    is("sss", "2 of http://127.0.0.1:18081, http://127.0.0.1:18081/, tpm2, (1 of http://127.0.0.1:18081)");
    describe(sample("clevis-tpm2"));
    is("clevis-tpm2", "");
    describe(sample("recovery"));
    is("recovery", "");
    describe(sample("tpm2"));
    is("tpm2", "PCRs 7+11");
    describe(sample("tpm2-pin"));
    is("tpm2", "no PCRs, PIN");
    describe(sample("tpm2-signed"));
    is("tpm2", "no PCRs, signed policy");
    describe(sample("fido2"));
    is("fido2", "PIN");
    describe(sample("pkcs11"));
    is("pkcs11", "pkcs11:model=PKCS%2315%20emulated;manufacturer=piv_II;serial=0123456789abcdef;token=operator");

    CHECK_OK(pcrs(sample("tpm2"), text));
    CHECK(strcmp(text, "7+11") == 0);
    CHECK(pcrs(sample("tpm2-pin"), text) == -EOPNOTSUPP && pcrs(sample("tpm2-signed"), text) == -EOPNOTSUPP);
    CHECK(pcrs(sample("tang"), text) == -EINVAL && pcrs(sample("recovery"), text) == -EINVAL);
}

static void test_pcrs(void)
{
    char text[64], five[5];

    CHECK_OK(pcrs(TPM2("\"tpm2-pcrs\":[]"), text));
    CHECK(text[0] == '\0');
    /* any order, twice or not: a set */
    CHECK_OK(pcrs(TPM2("\"tpm2-pcrs\":[11,7,7,0,23,11]"), text));
    CHECK(strcmp(text, "0+7+11+23") == 0);
    CHECK_OK(pcrs(TPM2("\"tpm2-pcrs\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]"), text));
    CHECK(strcmp(text + strlen(text) - 6, "+22+23") == 0);
    CHECK_OK(pcrs(TPM2("\"tpm2-pcrs\":[7],\"tpm2-pin\":false"), text));
    CHECK(binding_tpm2_pcrs(TPM2("\"tpm2-pcrs\":[7,11]"), five, 4) == -EINVAL);
    CHECK(binding_tpm2_pcrs(TPM2("\"tpm2-pcrs\":[7,11]"), five, 5) == 0);
    /* nothing that would bind the new keyslot to less than the old one */
    static const char *const bad[] = {
        TPM2("\"x\":1"), TPM2("\"tpm2-pcrs\":null"), TPM2("\"tpm2-pcrs\":7"), TPM2("\"tpm2-pcrs\":{}"), TPM2("\"tpm2-pcrs\":[24]"),
        TPM2("\"tpm2-pcrs\":[-1]"), TPM2("\"tpm2-pcrs\":[7.0]"), TPM2("\"tpm2-pcrs\":[\"7\"]"), TPM2("\"tpm2-pcrs\":[[7]]"),
        "{\"type\":\"systemd-tpm\",\"tpm2-pcrs\":[7]}", "{\"tpm2-pcrs\":[7]}", "", "[]",
    };
    for (unsigned i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(pcrs(bad[i], text) == -EINVAL);
    CHECK(pcrs(TPM2("\"tpm2-pcrs\":[7],\"tpm2_pcrlock\":true"), text) == -EOPNOTSUPP);
    CHECK(pcrs(TPM2("\"tpm2-pcrs\":[7],\"tpm2_pubkey\":7"), text) == -EOPNOTSUPP);
    describe(TPM2("\"tpm2-pcrs\":[7],\"tpm2_pcrlock\":true"));
    is("tpm2", "PCRs 7, pcrlock");
    describe(TPM2("\"tpm2-pcrs\":[99]"));
    is("tpm2", "PCRs ?");
}

/* The list of keyslots is for everybody: no PIN, no password of a proxy or server in it. */
static void test_no_secrets(void)
{
    describe(clevis("{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":\"http://user:hunter2@t1:8080/a@b?c@d\"}}}"));
    is("tang", "http://t1:8080/a@b?c@d");
    describe(clevis("{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":\"user:hunter2@t1\"}}}"));
    is("tang", "t1");
    describe(clevis("{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":\"a-scheme-longer-than-any://user:hunter2@t1\"}}}"));
    CHECK(!strstr(binding, "hunter2"));
    describe("{\"type\":\"systemd-pkcs11\",\"keyslots\":[],\"pkcs11-uri\":\"pkcs11:token=t?pin-value=1234\"}");
    is("pkcs11", "pkcs11:token=t");
}

static void test_other_types(void)
{
    describe("{\"type\":\"luks2-keyring\",\"key_description\":\"x\",\"keyslots\":[]}");
    is("luks2-keyring", "");
    describe("{\"type\":\"unlock-key\"}");
    is("token-unlock-key", "");
    describe("{\"type\":\"passphrase\"}");
    is("token-passphrase", "");
    describe("{\"type\":\"clevis-tpm2\"}");
    is("token-clevis-tpm2", "");
    describe("{\"type\":\"clevis\",\"jwe\":{}}");
    is("clevis", "");
    describe(clevis("{\"clevis\":{\"pin\":\"yubikey\",\"yubikey\":{}}}"));
    is("clevis-yubikey", "");
    describe(clevis("{\"clevis\":{\"pin\":\"tang\"}}"));
    is("tang", "?");
}

static void test_nonsense(void)
{
    static const char *const unknown[] = { "", "{", "null", "7", "[]", "\"clevis\"", "{}", "{\"type\":7}", "{\"type\":\"\"}",
                                           "{\"type\":\"a\\u0000b\"}", "{\"type\":\"\xff\"}" };
    static const char *const wrong_types[] = {
        "{\"type\":\"clevis\",\"jwe\":7}", "{\"type\":\"clevis\",\"jwe\":{\"protected\":{}}}", "{\"type\":\"clevis\",\"jwe\":{\"protected\":\"!\"}}",
        "{\"type\":\"clevis\",\"jwe\":{\"protected\":\"\"}}", "{\"type\":\"clevis\",\"jwe\":{\"protected\":\"W10\"}}",
    };

    for (unsigned i = 0; i < ELEMENTSOF(unknown); i++) {
        describe(unknown[i]);
        is("unknown", "");
    }
    for (unsigned i = 0; i < ELEMENTSOF(wrong_types); i++) {
        describe(wrong_types[i]);
        is("clevis", "");
    }
    describe(clevis("{\"clevis\":{\"pin\":\"sss\",\"sss\":{\"t\":\"2\",\"jwe\":[7,null,\"\",\"!\",\".\"]}}}"));
    is("sss", "0 of ?, ?, ?, ?, ?");
    describe(clevis("{\"clevis\":{\"pin\":\"sss\",\"sss\":{\"t\":-9223372036854775808,\"jwe\":{}}}}"));
    is("sss", "-9223372036854775808 of ");
    describe(clevis("{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":7}}}"));
    is("tang", "?");
    describe("{\"type\":\"systemd-fido2\",\"fido2-clientPin-required\":null}");
    is("fido2", "");
    describe("{\"type\":\"systemd-pkcs11\",\"pkcs11-uri\":[]}");
    is("pkcs11", "");
}

static void test_printable(void)
{
    describe(clevis("{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":\"http://t\\n1\\u001b[31m\\u00e4\\u202e\\u007f\"}}}"));
    is("tang", "http://t?1?[31m??????");
    describe("{\"type\":\"a\\tb\\u009bc\"}");
    is("a?b??c", "");
}

static void test_huge(void)
{
    static char text[20000], header[20000];
    char s[300] = "";

    for (int i = 0; i < 290; i++)
        s[i] = 'h';
    (void) snprintf(text, sizeof(text), "{\"type\":\"%s\"}", s);
    describe(text);
    CHECK(strlen(kind) == KEYSLOT_KIND_MAX - 1);
    (void) snprintf(text, sizeof(text), "{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":\"%s\"}}}", s);
    describe(clevis(text));
    CHECK(strlen(binding) == KEYSLOT_BINDING_MAX - 1);
    (void) snprintf(text, sizeof(text), "{\"type\":\"systemd-pkcs11\",\"pkcs11-uri\":\"%s\"}", s);
    describe(text);
    CHECK(strlen(binding) == KEYSLOT_BINDING_MAX - 1);
    /* a thousand shares */
    (void) strcpy(header, "{\"clevis\":{\"pin\":\"sss\",\"sss\":{\"t\":1,\"jwe\":[");
    for (int i = 0; i < 1000; i++)
        (void) strcat(header, "\"e30\",");
    (void) strcat(header, "\"\"]}}}");
    describe(clevis(header));
    CHECK(strncmp(binding, "1 of ?, ?", 9) == 0 && strlen(binding) == KEYSLOT_BINDING_MAX - 1);
    /* JSON nested a thousand times, and more than the parser takes */
    for (int depth = 1000; depth < 10000; depth += 8000) {
        (void) strcpy(text, "{\"type\":\"clevis\",\"jwe\":");
        memset(text + strlen(text) + depth, 0, 1);
        memset(text + strlen(text), '[', (size_t) depth);
        describe(text);
        is("unknown", "");
        memset(text + strlen(text) + depth, 0, 1);
        memset(text + strlen(text), ']', (size_t) depth);
        (void) strcat(text, "}");
        describe(text);
        is(depth == 1000 ? "clevis" : "unknown", "");
    }
}

/* Pins inside pins are told down to the fourth. */
static void test_nested(void)
{
    static char header[TOKEN_MAX / 4], inner[TOKEN_MAX / 4];

    (void) strcpy(header, "{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":\"http://t\"}}}");
    for (int i = 0; i < 6; i++) {
        share(inner, sizeof(inner), header);
        CHECK(snprintf(header, sizeof(header), "{\"clevis\":{\"pin\":\"sss\",\"sss\":{\"t\":1,\"jwe\":[\"%s\"]}}}", inner) <
              (int) sizeof(header));
        describe(clevis(header));
        if (i == 1)
            is("sss", "1 of (1 of http://t)");
    }
    is("sss", "1 of (1 of (1 of (1 of sss)))");
}

int main(int argc, char *argv[])
{
    CHECK(argc == 2 && sodium_init() >= 0);
    folder = argv[1];
    test_samples();
    test_pcrs();
    test_no_secrets();
    test_other_types();
    test_nonsense();
    test_printable();
    test_huge();
    test_nested();
    return 0;
}
