/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/error.h"
#include "basic/secret.h"

/* The whole of a file, or of standard input when path is NULL or "-". More than max bytes are refused, with what for the text's subject:
 * "secret data must be …". An exit code. */
int input_data(const char *path, size_t max, const char *what, struct secret *ret, struct error *e);

/* One line without its newline: asked for at the terminal, unseen, or the next of standard input where that is none (no byte more is taken). Of
 * an unlock key the white space around it goes, too. A signal that ends or stops the process finds the terminal as it was. An exit code. */
int input_key(const char *prompt, struct secret *ret, struct error *e);

/* The same, as a sealed memfd. */
int input_key_memfd(const char *prompt, int *ret_fd, struct error *e);

/* A new passphrase in the same way, at the terminal twice. */
int input_new_passphrase(struct secret *ret, struct error *e);

/* Whether the person at the terminal says yes to a question on standard error. */
bool input_agrees(const char *question);
