/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What swarm-token does for swarm-open and the manager, over exchange/exchange.h (swarm-token(8) "PROTOCOL").
 *
 * TOKEN_OPEN:    body: the JSON of a LUKS2 token of type systemd-tpm2, systemd-fido2 or systemd-pkcs11, up to TOKEN_JSON_MAX bytes.
 *                Reply: the passphrase of its keyslot, up to TOKEN_PASSPHRASE_MAX bytes.
 * TOKEN_ENROLL:  body: {"kind":"tpm2","pcrs":"7+11"}, pcrs optional, up to TOKEN_REQUEST_MAX bytes.
 *                Reply: a new token's JSON with "keyslots":[], one NUL byte, the passphrase that its keyslot is to have. The token has been
 *                opened once more, as TOKEN_OPEN does.
 * Failures: 'r' the hardware refuses, or there is none; 'l' no security token is plugged in; 'u' it wants a PIN, or software is not
 * installed; 'i' the request or the token has no valid form. The text says which, and what to do. */

#define TOKEN_SOCKET "/run/swarm-helpers/token.sock"

#define TOKEN_OPEN 'o'
#define TOKEN_ENROLL 'e'

#define TOKEN_JSON_MAX (16U * 1024)
#define TOKEN_REQUEST_MAX 4096U
#define TOKEN_PASSPHRASE_MAX 1024U
