/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "net/tls_private.h"

/* What OpenSSL's error means, as tls_handshake returns it; fills t->why unless verify_peer has. */
int tls_failure(struct tls *t, unsigned long code);
