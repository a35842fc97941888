/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "units/systemd.h"
#include "units/units_request.h"

struct update_result {
    unsigned units, skipped;
    char failed[UNIT_NAME_LEN + 1]; /* "": none */
    char text[ERROR_TEXT_MAX];
};

/* Restarts or reloads the pattern's active units that load a credential from the path socket, waits for process 1's jobs, and looks a moment
 * later whether they still run. -EKEYREJECTED when all that match load none; -ECANCELED when whoever asked, on the connection peer (-1: nobody),
 * has hung up; -EHOSTUNREACH. */
int update_run(sd_bus *bus, const char *pattern, enum units_how how, const char *socket, int peer, int timeout_ms, struct update_result *ret,
               struct error *e);
