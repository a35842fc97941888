/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "store/store.h"

/* Whom the swarm trusts, as PEM texts from malloc; NULL when out of memory. */

/* The certificate of the CA that issues. */
char *trust_ca(const Pb__Cluster *cluster);
/* All roots in force: that one, and while nodes move from an older CA to it, the older one. */
char *trust_roots(const Pb__Cluster *cluster);
/* SHA-256 of such a text. */
void trust_digest(const char *roots, unsigned char ret[static 32]);
/* Whether this certificate (PEM) was signed by the CA that issues now. */
bool trust_is_current(const Pb__Cluster *cluster, const ProtobufCBinaryData *certificate);
/* What a node sends: its certificate, the cross certificate while there is one, the CA's. */
char *trust_chain(const Pb__Cluster *cluster, const char *certificate);
