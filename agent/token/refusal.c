/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/refusal.h"

#include <errno.h>
#include <string.h>

#include "token/capture.h"
#include "token/tpm.h"

#define LINE_MAX_SHOWN 160

static const char *const devices[] = {
    [TOKEN_TPM2] = "TPM",
    [TOKEN_FIDO2] = "FIDO2 security token",
    [TOKEN_PKCS11] = "PKCS#11 security token",
};

static const char *const libraries[] = {
    [TOKEN_TPM2] = "libtss2-esys-3.0.2-0t64, libtss2-rc0t64, libtss2-mu-4.0.1-0t64 and libtss2-tcti-device0t64",
    [TOKEN_FIDO2] = "libfido2-1",
    [TOKEN_PKCS11] = "libp11-kit0 and the token's PKCS#11 module",
};

static int unknown(const struct token *token, int code, const char *said, struct error *e)
{
    const char *line;
    size_t n = last_line(said, &line);

    if (n == 0)
        return error_set(e, -EKEYREJECTED, "the %s does not open the token: %s", devices[token->kind], strerror(-code));
    return error_set(e, -EKEYREJECTED, "the %s does not open the token: %.*s", devices[token->kind],
                     (int) (n < LINE_MAX_SHOWN ? n : LINE_MAX_SHOWN), line);
}

static int policy_failed(const struct token *token, struct error *e)
{
    char pcrs[PCRS_WORDS_MAX];

    if (token->pcrs == 0)
        return error_set(e, -EKEYREJECTED,
                         "the TPM refuses: the policy that the token is bound to does not hold in the machine's present state: "
                         "unlock in another way");
    return error_set(e, -EKEYREJECTED,
                     "the TPM refuses: PCRs %s differ from those the token is bound to, because firmware, boot settings or kernel changed: "
                     "unlock in another way, then enroll the TPM again",
                     tpm_pcrs(token->pcrs, pcrs));
}

/* systemd tells all that the TPM itself answers as one errno; libtss2 told the code. */
static int tpm_failed(const struct token *token, int code, const char *said, struct error *e)
{
    uint32_t rc = tpm_code(said);

    if (tpm_check(e) < 0)
        return -EKEYREJECTED;
    if (code == -ENOLCK || tpm_trouble(rc) == TPM_LOCKOUT)
        return error_set(e, -EKEYREJECTED,
                         "the TPM refuses for now: it is locked against guessing after wrong PINs: wait, or clear that with "
                         "'tpm2_dictionarylockout --clear-lockout'");
    if (rc && tpm_trouble(rc) == TPM_OTHER)
        return error_set(e, -EKEYREJECTED,
                         "the TPM refuses: it did not make this token, which is another machine's, or was made before the TPM was "
                         "cleared or replaced: enroll the TPM again (TPM code 0x%x)",
                         rc);
    if (rc)
        return error_set(e, -EKEYREJECTED, "the TPM fails with code 0x%x: 'tpm2_rc_decode 0x%x' explains it", rc, rc);
    return unknown(token, code, said, e);
}

static int tpm2_refusal(const struct token *token, int code, const char *said, struct error *e)
{
    switch (code) {
    case -EAGAIN:
    case -ENODEV:
        if (tpm_check(e) < 0)
            return -EKEYREJECTED;
        return unknown(token, code, said, e);
    case -EPERM:
        return policy_failed(token, e);
    case -ENOTUNIQ:
        return error_set(e, -EKEYREJECTED, "this machine has several TPMs, and systemd chooses none");
    case -EREMOTE:
        return error_set(e, -EKEYREJECTED,
                         "the token is bound to a policy of systemd-pcrlock, which is missing: /var/lib/systemd/pcrlock.json");
    case -ENOENT:
        return error_set(e, -EKEYREJECTED,
                         "the token is bound to signed PCR values, whose signature is missing: tpm2-pcr-signature.json in /run/systemd");
    default:
        return tpm_failed(token, code, said, e);
    }
}

int refusal(const struct token *token, int code, const char *said, struct error *e)
{
    switch (code) {
    case -ENOMEM:
        return error_set(e, -ENOMEM, "no memory to open the token");
    case -EINVAL:
    case -ENXIO:
    case -EBADMSG:
        return error_set(e, -EINVAL, "the token has no valid form");
    case -ENOANO:
        return error_set(e, -EOPNOTSUPP, "the %s wants a PIN, which nobody can enter here: unlock with another key", devices[token->kind]);
    case -EOPNOTSUPP:
    case -ENOPKG:
        return error_set(e, -EOPNOTSUPP, "the libraries for a %s are missing or too old: install %s", devices[token->kind],
                         libraries[token->kind]);
    default:
        break;
    }
    if (token->kind == TOKEN_TPM2)
        return tpm2_refusal(token, code, said, e);
    if (code == -EAGAIN || code == -EBADSLT)
        return error_set(e, -EHOSTUNREACH, "the %s that this was enrolled with is not plugged in", devices[token->kind]);
    return unknown(token, code, said, e);
}
