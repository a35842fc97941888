/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "docker/vault.h"

/* What the vault's parts share. The caller holds the mutex:
 *     _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v); */

pthread_mutex_t *vault_lock(struct vault *v);
void vault_unlock(pthread_mutex_t **mutex);

/* -ENOENT when nothing is stored, -ENOKEY when it has to be open and is not. */
int vault_require(const struct vault *v, bool is_open, struct error *e);

void vault_record(struct vault *v, int slot, bool worked, const char *note);
