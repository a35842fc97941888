/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/tpm.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define TPMS "/sys/class/tpmrm"
#define PCRS 24

/* TPM 2.0 Library, Part 2: Structures, 6.6 "TPM_RC": an error about a parameter, a handle or a session carries its number in bits that are
 * not part of which error it is. */
#define RC_LAYER 0xffff0000U
#define RC_FORMAT_1 0x080U
#define RC_FORMAT_1_ERROR 0x0bfU
#define RC_HANDLE 0x08bU
#define RC_INTEGRITY 0x09fU
#define RC_REFERENCE_H0 0x910U
#define RC_LOCKOUT 0x921U

static inline void closedirp(DIR **d)
{
    if (*d)
        (void) closedir(*d);
}

static int check_device(const char *name, struct error *e)
{
    char path[PATH_MAX];

    (void) snprintf(path, sizeof(path), "/dev/%s", name);
    if (access(path, R_OK | W_OK) < 0)
        return error_set(e, -EKEYREJECTED, "cannot use the TPM at %s: %s", path, strerror(errno));
    return 0;
}

int tpm_check(struct error *e)
{
    _cleanup_(closedirp) DIR *d = NULL;
    const char *variable = getenv(TPM_VARIABLE);

    if (variable && variable[0])
        return 0;
    d = opendir(TPMS);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (entry->d_name[0] != '.')
            return check_device(entry->d_name, e);
    return error_set(e, -EKEYREJECTED, "this machine has no TPM 2.0 that the kernel knows of (" TPMS " is empty)");
}

uint32_t tpm_code(const char *said)
{
    uint32_t code = 0;

    for (const char *at = said; (at = strstr(at, "(0x")); at++) {
        char *end;
        unsigned long n = strtoul(at + 1, &end, 16);

        if (*end == ')' && n <= UINT32_MAX)
            code = (uint32_t) n;
    }
    return code;
}

enum tpm_trouble tpm_trouble(uint32_t code)
{
    uint32_t error = code & RC_FORMAT_1 ? code & RC_FORMAT_1_ERROR : code;

    if (code & RC_LAYER) /* libtss2's own, about the way to the TPM */
        return TPM_FAILED;
    if (code == RC_LOCKOUT)
        return TPM_LOCKOUT;
    return error == RC_HANDLE || error == RC_INTEGRITY || code == RC_REFERENCE_H0 ? TPM_OTHER : TPM_FAILED;
}

const char *tpm_pcrs(uint32_t mask, char ret[static PCRS_WORDS_MAX])
{
    size_t n = 0;

    ret[0] = 0;
    for (unsigned i = 0; i < PCRS; i++)
        if (mask & UINT32_C(1) << i)
            n += (size_t) snprintf(ret + n, PCRS_WORDS_MAX - n, "%s%u", n ? "+" : "", i);
    return ret;
}
