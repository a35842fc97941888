/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is decided before a plugin or a program is asked, and what becomes of what they say. */
#include <errno.h>
#include <fcntl.h>

#include "test.h"
#include "token/capture.h"
#include "token/enroll_request.h"
#include "token/refusal.h"
#include "token/token_json.h"
#include "token/token_protocol.h"
#include "token/tpm.h"

#define TPM2 "{\"type\":\"systemd-tpm2\",\"keyslots\":[\"1\"],\"tpm2-blob\":\"QUJD\",\"tpm2-policy-hash\":\"0a\",\"tpm2-pcrs\":[0,7]"
#define FIDO2 "{\"type\":\"systemd-fido2\",\"fido2-credential\":\"QUJD\",\"fido2-salt\":\"QUJD\""
#define PKCS11 "{\"type\":\"systemd-pkcs11\",\"pkcs11-uri\":\"pkcs11:token=t\",\"pkcs11-key\":\"QUJD\""

static void tokens(void)
{
    static const struct {
        const char *json;
        int result;
    } cases[] = {
        { TPM2 "}", 0 },
        { TPM2 ",\"tpm2-pin\":false,\"tpm2_srk\":\"AA==\",\"later\":{\"field\":[1]}}", 0 },
        { "{\"type\":\"systemd-tpm2\",\"tpm2-blob\":[\"QQ==\",\"QQ==\"],\"tpm2-policy-hash\":[\"0a\",\"0b\"],\"tpm2-pcrs\":[]}", 0 },
        { FIDO2 "}", 0 },
        { FIDO2 ",\"fido2-clientPin-required\":false,\"fido2-up-required\":true}", 0 },
        { PKCS11 "}", 0 },
        { TPM2 ",\"tpm2-pin\":true}", -EOPNOTSUPP },
        { FIDO2 ",\"fido2-clientPin-required\":true}", -EOPNOTSUPP },
        { "{\"type\":\"clevis\",\"jwe\":{}}", -EOPNOTSUPP },
        { "{\"type\":\"systemd-tpm3\"}", -EOPNOTSUPP },
        { "{\"type\":\"../../tmp/evil\"}", -EOPNOTSUPP },
        { "", -EINVAL },
        { "[]", -EINVAL },
        { "{}", -EINVAL },
        { "{\"type\":7}", -EINVAL },
        { TPM2, -EINVAL },
        { TPM2 "} x", -EINVAL },
        { TPM2 ",\"type\":\"systemd-fido2\"}", -EINVAL },
        { TPM2 ",\"tpm2-pin\":1}", -EINVAL },
        { TPM2 ",\"tpm2_srk\":\"\"}", -EINVAL },
        { TPM2 ",\"tpm2_srk\":\"a b\"}", -EINVAL },
        { TPM2 ",\"tpm2_pubkey_pcrs\":[24]}", -EINVAL },
        { TPM2 ",\"tpm2_pubkey_pcrs\":[-1]}", -EINVAL },
        { TPM2 ",\"tpm2_pubkey_pcrs\":[7.0]}", -EINVAL },
        { TPM2 ",\"tpm2_pubkey_pcrs\":\"7\"}", -EINVAL },
        { "{\"type\":\"systemd-tpm2\",\"tpm2-blob\":[],\"tpm2-policy-hash\":\"0a\",\"tpm2-pcrs\":[]}", -EINVAL },
        { "{\"type\":\"systemd-tpm2\",\"tpm2-blob\":[7],\"tpm2-policy-hash\":\"0a\",\"tpm2-pcrs\":[]}", -EINVAL },
        { "{\"type\":\"systemd-tpm2\",\"tpm2-blob\":\"QQ==\",\"tpm2-policy-hash\":\"xy\",\"tpm2-pcrs\":[]}", -EINVAL },
        { "{\"type\":\"systemd-tpm2\",\"tpm2-blob\":\"QQ==\",\"tpm2-policy-hash\":\"0a\"}", -EINVAL },
        { "{\"type\":\"systemd-fido2\",\"fido2-credential\":\"QUJD\"}", -EINVAL },
        { "{\"type\":\"systemd-fido2\",\"fido2-credential\":\"====\",\"fido2-salt\":\"QUJD\"}", -EINVAL },
        { FIDO2 ",\"fido2-rp\":null}", -EINVAL },
        { "{\"type\":\"systemd-pkcs11\",\"pkcs11-uri\":7,\"pkcs11-key\":\"QUJD\"}", -EINVAL },
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(token_done) struct token t = TOKEN_NULL;
        struct error e = { "" };
        int r = token_parse(cases[i].json, strlen(cases[i].json), &t, &e);

        if (r != cases[i].result) {
            (void) fprintf(stderr, "%s: %d instead of %d: %s\n", cases[i].json, r, cases[i].result, e.text);
            exit(1);
        }
        CHECK(r == 0 ? t.json && strstr(t.json, "\"keyslots\":[]") : !t.json && e.text[0]);
    }
}

static void token_details(void)
{
    _cleanup_(token_done) struct token t = TOKEN_NULL;
    char large[TOKEN_JSON_MAX + 2], words[PCRS_WORDS_MAX];

    CHECK_OK(token_parse(TPM2 "}", strlen(TPM2 "}"), &t, NULL));
    CHECK(t.kind == TOKEN_TPM2 && t.pcrs == 0x81 && strcmp(tpm_pcrs(t.pcrs, words), "0+7") == 0);
    CHECK(strcmp(tpm_pcrs(0, words), "") == 0);
    CHECK(strlen(tpm_pcrs(0xffffff, words)) == 10 + 14 * 2 + 23);

    memset(large, ' ', sizeof(large));
    memcpy(large, TPM2 "}", strlen(TPM2 "}"));
    token_done(&t);
    CHECK_OK(token_parse(large, TOKEN_JSON_MAX, &t, NULL));
    CHECK(token_parse(large, TOKEN_JSON_MAX + 1, &t, NULL) == -EINVAL);
}

static void pcr_lists(void)
{
#define D40 "0123456789abcdefABCD0123456789abcdefABCD"
    static const char *const good[] = { "", "0", "7", "23", "7+11", "0,7", "7:sha256", "7:sha1=" D40, "7:sha1=" D40 "+1",
                                        "boot-loader-code+7" };
    static const char *const bad[] = { "+", "7+", "+7", "7++8", "24", "07", "100", "-1", "7 ", "7;x", "$(x)", "7:", "7:md5", "7:sha1=",
                                       "7=" D40, "7:sha256=" D40, "7:sha1=" D40 "0", "7:sha1=g", "=:", "7\n", "A", "-x", "7:sha1:sha1",
                                       "a-name-that-is-longer-than-any-of-them" };
    char large[PCRS_TEXT_MAX + 2];

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        if (!pcrs_are_valid(good[i])) {
            (void) fprintf(stderr, "refused: %s\n", good[i]);
            exit(1);
        }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        if (pcrs_are_valid(bad[i])) {
            (void) fprintf(stderr, "taken: %s\n", bad[i]);
            exit(1);
        }
    for (size_t i = 0; i < sizeof(large); i += 2)
        memcpy(large + i, "7+", 2);
    large[PCRS_TEXT_MAX + 1] = 0; /* one too many */
    CHECK(!pcrs_are_valid(large));
    large[PCRS_TEXT_MAX - 1] = 0;
    CHECK(pcrs_are_valid(large));
}

static int parse_request(const char *json, struct enroll_request *ret)
{
    return enroll_request_parse(json, strlen(json), ret, NULL);
}

static void requests(void)
{
    struct enroll_request r;

    CHECK_OK(parse_request("{\"kind\":\"tpm2\"}", &r));
    CHECK(!r.has_pcrs && strcmp(r.pcrs, "") == 0);
    CHECK_OK(parse_request("{\"kind\":\"tpm2\",\"pcrs\":\"\"}", &r));
    CHECK(r.has_pcrs && strcmp(r.pcrs, "") == 0);
    CHECK_OK(parse_request("{\"kind\":\"tpm2\",\"pcrs\":\"7+11\"}", &r));
    CHECK(r.has_pcrs && strcmp(r.pcrs, "7+11") == 0);
    CHECK(parse_request("{\"kind\":\"fido2\"}", &r) == -EOPNOTSUPP);
    CHECK(parse_request("{\"kind\":\"tpm2\",\"pcrs\":7}", &r) == -EINVAL);
    CHECK(parse_request("{\"kind\":\"tpm2\",\"pcrs\":\"7 --wipe-slot=all\"}", &r) == -EINVAL);
    CHECK(parse_request("{\"kind\":\"tpm2\",\"pcrs\":\"7\\u0000\"}", &r) == -EINVAL);
    CHECK(parse_request("{\"kind\":\"tpm2\",\"pin\":true}", &r) == -EINVAL);
    CHECK(parse_request("{\"pcrs\":\"7\"}", &r) == -EINVAL);
    CHECK(parse_request("[]", &r) == -EINVAL);
    CHECK(parse_request("", &r) == -EINVAL);
}

static void codes_of_the_tpm(void)
{
    CHECK(tpm_code("") == 0);
    CHECK(tpm_code("ERROR:esys: ErrorCode (0x000001df)\n") == 0x1df);
    CHECK(tpm_code("(0x00000001)\n(0x921)\n(0x) (0xnone) (0x1") == 0x921);
    CHECK(tpm_code("(0xffffffffffffffff)") == 0);
    CHECK(tpm_trouble(0x1df) == TPM_OTHER); /* TPM_RC_INTEGRITY, parameter 1 */
    CHECK(tpm_trouble(0x18b) == TPM_OTHER); /* TPM_RC_HANDLE, handle 1 */
    CHECK(tpm_trouble(0x910) == TPM_OTHER);
    CHECK(tpm_trouble(0x921) == TPM_LOCKOUT);
    CHECK(tpm_trouble(0x902) == TPM_FAILED);
    CHECK(tpm_trouble(0xa000a) == TPM_FAILED);
}

static void expect(const char *json, int code, const char *said, int result, const char *text)
{
    _cleanup_(token_done) struct token t = TOKEN_NULL;
    struct error e = { "" };
    int r;

    CHECK_OK(token_parse(json, strlen(json), &t, NULL));
    r = refusal(&t, code, said, &e);
    if (r != result || !strstr(e.text, text)) {
        (void) fprintf(stderr, "%d, %s: %d, %s\n", code, said, r, e.text);
        exit(1);
    }
}

static void refusals_in_words(void)
{
    CHECK(setenv(TPM_VARIABLE, "swtpm:path=/none", 1) == 0);
    expect(TPM2 "}", -EPERM, "", -EKEYREJECTED, "PCRs 0+7 differ");
    expect(TPM2 "}", -ENOLCK, "", -EKEYREJECTED, "locked against guessing");
    expect(TPM2 "}", -ENOTRECOVERABLE, "x (0x921)\n", -EKEYREJECTED, "locked against guessing");
    expect(TPM2 "}", -ENOTRECOVERABLE, "x (0x000001df)\n", -EKEYREJECTED, "another machine's");
    expect(TPM2 "}", -ENOTRECOVERABLE, "x (0x00000101)\n", -EKEYREJECTED, "code 0x101");
    expect(TPM2 "}", -ENOTRECOVERABLE, "first\nFailed to do it\n\n", -EKEYREJECTED, "Failed to do it");
    expect(TPM2 "}", -ENOANO, "", -EOPNOTSUPP, "PIN");
    expect(TPM2 "}", -EOPNOTSUPP, "", -EOPNOTSUPP, "libtss2");
    expect(TPM2 "}", -ENOTUNIQ, "", -EKEYREJECTED, "several");
    expect(TPM2 "}", -EREMOTE, "", -EKEYREJECTED, "pcrlock");
    expect(TPM2 "}", -ENOENT, "", -EKEYREJECTED, "signature");
    expect(TPM2 "}", -EINVAL, "", -EINVAL, "form");
    expect(FIDO2 "}", -EAGAIN, "", -EHOSTUNREACH, "not plugged in");
    expect(FIDO2 "}", -ENOSTR, "Token action timeout.", -EKEYREJECTED, "Token action timeout.");
    expect(PKCS11 "}", -EAGAIN, "", -EHOSTUNREACH, "PKCS#11");
    expect(PKCS11 "}", -ENOANO, "", -EOPNOTSUPP, "PIN");
    expect(PKCS11 "}", -EIO, "", -EKEYREJECTED, "Input/output error");
    CHECK(unsetenv(TPM_VARIABLE) == 0);
    if (access("/sys/class/tpmrm", F_OK) < 0)
        expect(TPM2 "}", -EAGAIN, "", -EKEYREJECTED, "no TPM");
}

static void words_are_captured(void)
{
    struct capture c;
    char text[CAPTURE_TEXT_MAX], large[2 * CAPTURE_TEXT_MAX];
    const char *line;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), stays = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

    CHECK(fd >= 0 && stays >= 0 && dup2(fd, STDERR_FILENO) >= 0); /* what is passed on */
    CHECK_OK(capture_begin(&c));
    capture_end(&c, text);
    CHECK(strcmp(text, "") == 0 && last_line(text, &line) == 0);

    CHECK_OK(capture_begin(&c));
    (void) fputs("one\ntwo\x1b[m \n\n", stderr);
    capture_end(&c, text);
    CHECK(last_line(text, &line) == 6 && memcmp(line, "two [m", 6) == 0);

    memset(large, 'x', sizeof(large));
    memcpy(large + sizeof(large) - 6, "\nlast\n", 6);
    CHECK_OK(capture_begin(&c));
    CHECK(write(STDERR_FILENO, large, sizeof(large)) == sizeof(large));
    capture_end(&c, text);
    CHECK(strlen(text) == CAPTURE_TEXT_MAX - 1 && last_line(text, &line) == 4);
    CHECK(dup2(stays, STDERR_FILENO) >= 0);
    close(fd);
    close(stays);
}

int main(void)
{
    tokens();
    token_details();
    pcr_lists();
    requests();
    codes_of_the_tpm();
    refusals_in_words();
    words_are_captured();
    return 0;
}
