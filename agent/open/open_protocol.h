/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* swarm-open: a passphrase of the manager's lock, got by the methods that its tokens name. Framing and errors: exchange/exchange.h.
 *
 * 'o' open: body 4 bytes, little-endian: bit N is set when keyslot N may be tried. The reply, whether a keyslot opened or not:
 *     JSON    {"slot":N,"kind":"clevis","failures":[{"slot":3,"kind":"systemd-tpm2","class":"r","text":"…"},…]}
 *             slot -1 when none opened, with the kind ""; kind: the type of the keyslot's token; class: the letter of exchange.h
 *     and, when one opened: a NUL byte and the passphrase, 1 to 1024 bytes without a NUL
 *   Keyslots without a token that names a method (passphrases, recovery keys, unlock keys) are never tried and never told of.
 *   Refused ('r') when the lock is missing or cannot be read. */

#define OPEN_SOCKET_NAME "open.sock"
#define OPEN_SOCKET "/run/swarm-helpers/" OPEN_SOCKET_NAME
#define OPEN_OPEN 'o'
#define OPEN_MASK_SIZE 4
#define OPEN_MASK_ALL 0xffffffffU
#define OPEN_PASSPHRASE_MAX 1024
#define OPEN_DEADLINE_MS 12000 /* the helper's own; its caller may allow a little more */
