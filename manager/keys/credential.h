/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"

/* systemd credentials (systemd.exec(5), systemd-creds(1)): read from $CREDENTIALS_DIRECTORY, written through the seal helper. Blocking. */

#define CREDENTIAL_PLAIN_MAX (64U * 1024)
#define CREDENTIAL_SEALED_MAX (256U * 1024)

/* The credential that systemd decrypted for this service at its start. -ENOENT when there is none; names other than [A-Za-z0-9_.-]{1,80}
 * are -EINVAL. */
int credential_load(const char *name, struct secret *ret, struct error *e);

/* Has the seal helper (a socket at helper) encrypt plain, and stores what it returns under path, atomically and durably: the temporary file
 * is in temporary_folder, as systemd would load one beside path too. -EBADMSG when the reply is empty or no credential, or sealed with the
 * null key; -ETIMEDOUT after 30 s. */
int credential_store(const char *helper, const char *path, const char *temporary_folder, const struct secret *plain, struct error *e);

/* Whether sealed, base64 as systemd-creds(1) writes it, is a credential that a host key or a TPM2 protects. 0, -EBADMSG. */
int credential_check_sealed(const void *sealed, size_t size);
