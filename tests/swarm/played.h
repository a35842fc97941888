/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* The helpers and what is behind them, played at sockets in the folder that the manager is told. Tang servers and the TPM keep their secrets in
 * the token, in the clear. */

enum played_server {
    SERVER_CURRENT,
    SERVER_ROTATED,
    SERVER_UNTRUSTED,
    SERVER_UNREACHABLE,
    SERVER_STRANGE, /* what it says has no valid form */
    SERVER_LYING,   /* gives back something else than was bound to it */
    SERVER_HUNG,
};

enum played_tpm {
    TPM_OPENS,
    TPM_REFUSES,
    TPM_ABSENT,
};

extern _Atomic enum played_server servers;
extern _Atomic enum played_tpm tpm;
extern _Atomic unsigned hung; /* exchanges that wait for a hung server */

/* The thumbprint of "http://t1" is "thumbprint-http://t1". */
void played_begin(void);
void played_end(void);
