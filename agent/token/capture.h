/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/cleanup.h"

/* What libraries and children write to standard error between begin and end: the only place where the TPM's own words come out. For
 * programs of one thread. */
struct capture {
    int real; /* the standard error to return to */
    int said;
};

#define CAPTURE_NULL ((struct capture) { -1, -1 })
#define CAPTURE_TEXT_MAX 4096U

int capture_begin(struct capture *ret);

/* The last bytes of what was said, as a string without control characters other than newlines; also passed on to standard error. Ends the
 * capture. */
void capture_end(struct capture *c, char ret_text[static CAPTURE_TEXT_MAX]);

/* Ends it without a look; scope exit. */
void capture_done(struct capture *c);

/* The last line of a text that has more than blanks; returns how many bytes. */
size_t last_line(const char *text, const char **ret);
