/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "ctl/call.h"

/* Runs systemd-cryptenroll at the person's terminal on the manager's lock, which it opens with the unlock key. option: the device, as
 * systemd-cryptenroll(1) takes it. *ret has Keyslot and Kind of what was added. An exit code. */
int enroll_run(const char *option, struct caller *c, json_t **ret, struct error *e);
