/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "units/systemd.h"

/* Moves those of the n units that are neither inactive nor failed to the front; returns how many, or a negative errno. */
int state_active(sd_bus *bus, const char **units, size_t n, struct error *e);
