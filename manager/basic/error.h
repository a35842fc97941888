/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/cleanup.h"

#define ERROR_TEXT_MAX 512

/* What a person needs to know of a failure; see "Error contract" in docs/HACKING.md. */
struct error {
    char text[ERROR_TEXT_MAX];
};

/* Fills e (which may be NULL; too long a text is cut) and returns code, a negative errno. */
int error_set(struct error *e, int code, const char *format, ...) _printf_(3, 4);
