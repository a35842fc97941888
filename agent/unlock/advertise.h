/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "basic/error.h"

/* The reply of UNLOCK_ADVERTISE, for a URL that http_check_url() took. -EHOSTUNREACH, -ECANCELED, -ENOMEM. */
int advertise(const char *url, int peer, json_t **ret_reply, struct error *e);
