/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/cleanup.h"

#define ERROR_TEXT_MAX 512

/* What a person needs to know of a failure; see "Error contract" in docs/HACKING.md. */
struct error {
    char text[ERROR_TEXT_MAX];
};

/* Fills e, which may be NULL; too long a text is cut. */
void error_write(struct error *e, const char *format, ...) _printf_(2, 3);

/* error_write, and as its value code, a negative errno: in each caller's sight, so that analyzers see that it fails. */
#define error_set(e, code, ...)                  \
    ({                                           \
        const int error_code_ _unused_ = (code); \
        error_write((e), __VA_ARGS__);           \
        error_code_;                             \
    })
