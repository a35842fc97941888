/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "basic/error.h"

enum token_kind {
    TOKEN_TPM2,
    TOKEN_FIDO2,
    TOKEN_PKCS11,
};

/* A LUKS2 token whose fields have the types that systemd's plugins take for granted. */
struct token {
    enum token_kind kind;
    uint32_t pcrs; /* of a TPM2 token: bit N for each PCR N whose value it is bound to */
    char *json;    /* the same token, assigned to no keyslot */
};

#define TOKEN_NULL ((struct token) { .json = NULL })

/* -EINVAL: not a token, or a field of the wrong type; -EOPNOTSUPP: a type that no plugin of systemd's is for, or one that wants a PIN;
 * -ENOMEM. */
int token_parse(const void *json, size_t size, struct token *ret, struct error *e);
void token_done(struct token *t);

/* The type as in the JSON, "systemd-tpm2", …; also how its plugin is named. */
const char *token_type(enum token_kind kind);
