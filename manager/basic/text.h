/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Words of servers and helpers, for people, JSON and D-Bus: control characters and what is no UTF-8 become '?', what does not fit is left out
 * from a whole character on. to may be from. */
void text_copy(char *to, size_t size, const char *from);
