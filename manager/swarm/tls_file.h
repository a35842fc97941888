/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"

/* The folder tls/: this node's certificate chain under the name of its key, so that a key and its certificate change together whenever the
 * key does, and the roots that it trusts. Nothing in it is secret. docs/FORMATS.md "tls". */

#define TLS_PEM_MAX (64U * 1024)

/* The chain's first certificate gives the name. */
int tls_file_write_chain(const char *folder, const char *chain_pem, struct error *e);
/* The chain of this key; a text from malloc. -ENOENT. */
int tls_file_read_chain(const char *folder, const struct secret *key_der, char **ret_pem, struct error *e);
/* Removes the chains of other keys. */
void tls_file_keep_only(const char *folder, const struct secret *key_der);

int tls_file_write_roots(const char *folder, const char *roots_pem, struct error *e);
int tls_file_read_roots(const char *folder, char **ret_pem, struct error *e);
