/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"

/* Standard output. It is buffered in secret memory, because unlock keys and join tokens pass through; what fails is kept until
 * output_finish() tells. */
int output_init(void);

void output_bytes(const void *data, size_t n);
void output_print(const char *format, ...) _printf_(1, 2); /* nothing secret */
void output_text(const char *text);                        /* with what could steer a terminal escaped */

/* Writes out the rest, and to the disk where standard output is a file. STATUS_OK or STATUS_FAILED: some of it did not get there. */
int output_finish(struct error *e);
