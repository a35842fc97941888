/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* systemd's part in sealing, played: a thread that seals what it is handed, and what LoadCredentialEncrypted= does at a start. */

extern _Atomic bool seal_fails;
extern _Atomic int seals_left; /* before it fails; negative: it does not */

void sealing_begin(const char *path); /* of its socket */
void sealing_end(void);
void sealing_unseal(const char *state, const char *credentials);
