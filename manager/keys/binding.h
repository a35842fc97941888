/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "keys/keyslots.h"

/* What a person is told of a LUKS2 token (JSON, of any origin): its kind, "tang", "sss", "clevis-PIN", "tpm2", "fido2", "pkcs11", "recovery" or
 * the token's type ("token-TYPE" where that is a kind of ours), and what it is bound to: "http://t1", "2 of http://t1, http://t2, tpm2",
 * "PCRs 7+11". Both come out as printable text without passwords or PINs; a token that makes no sense has the kind "unknown". */
void binding_describe(const char *token, char ret_kind[static KEYSLOT_KIND_MAX], char ret_binding[static KEYSLOT_BINDING_MAX]);

/* For a systemd-tpm2 token without PIN, signed policy or pcrlock: its PCRs as systemd-cryptenroll's --tpm2-pcrs= takes them, "" for none.
 * -EOPNOTSUPP when it has more to it, -EINVAL when it is no such token. */
int binding_tpm2_pcrs(const char *token, char *ret, size_t size);
