/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "basic/error.h"

#define PCRS_TEXT_MAX 1024U

struct enroll_request {
    bool has_pcrs;                /* else systemd-cryptenroll's default */
    char pcrs[PCRS_TEXT_MAX + 1]; /* "" binds to no PCR */
};

/* The body of TOKEN_ENROLL. -EINVAL, -EOPNOTSUPP for another kind than tpm2. */
int enroll_request_parse(const void *json, size_t size, struct enroll_request *ret, struct error *e);

/* Whether text is what systemd-cryptenroll(1) takes for --tpm2-pcrs=: "7", "7+11", "boot-loader-code+7:sha256",
 * "7:sha256=<64 hexadecimal digits>". */
bool pcrs_are_valid(const char *text);
