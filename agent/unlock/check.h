/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "basic/error.h"

struct binding;

/* The reply of UNLOCK_CHECK. -ECANCELED: the peer hung up; -ENOMEM. */
int check(const struct binding *b, int peer, json_t **ret_report, struct error *e);
