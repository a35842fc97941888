/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl/args.h"

/* To standard output: of the command named, of its group, or of the whole program. */
void help_print(const struct args *args);
