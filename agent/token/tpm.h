/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"

/* systemd's: names what to use in place of /dev/tpmrm0, "swtpm:path=/run/swtpm/tpm" for a simulator (tests). */
#define TPM_VARIABLE "SYSTEMD_TPM2_DEVICE"

/* What a response code of the TPM means here. */
enum tpm_trouble {
    TPM_OTHER,   /* the object was not made by this TPM, or the TPM has been cleared */
    TPM_LOCKOUT, /* the TPM refuses all for a while, after wrong PINs */
    TPM_FAILED,
};

/* -EKEYREJECTED when there is no TPM that systemd would find, or this process may not use it. */
int tpm_check(struct error *e);

/* The last response code in what libtss2 has written to standard error; 0 for none. */
uint32_t tpm_code(const char *said);
enum tpm_trouble tpm_trouble(uint32_t code);

/* "7+11", or "" for none. */
#define PCRS_WORDS_MAX 80U
const char *tpm_pcrs(uint32_t mask, char ret[static PCRS_WORDS_MAX]);
