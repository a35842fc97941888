/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "ctl/call.h"

/* What Info answers, as an object. An exit code. */
int info_read(struct caller *c, json_t **ret, struct error *e);
