/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "method/method.h"

/* The helpers whose sockets are in a folder, which must outlive it. */
struct method_helpers helpers_in(const char *folder);
