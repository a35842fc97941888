/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"

/* UNLOCK_WATCH on a connection that does not block. 0 when the peer hung up. */
int watch(int peer, struct error *e);
