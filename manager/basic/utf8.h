/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Well-formed UTF-8 as in RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(const char *text);
