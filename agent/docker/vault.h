/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <pthread.h>

#include "docker/stored.h"
#include "keys/keyslots.h"
#include "method/method.h"

/* The Engine's unlock keys behind a lock of their own: FOLDER/docker.luks, whose volume key seals the stored keys, which are a systemd credential,
 * FOLDER/creds/keys. That file's rename decides what is stored; without it the lock protects nothing. The unlock keys open the lock, too.
 *
 * For several threads: one call at a time goes on, as libcryptsetup wants it. */

struct vault {
    pthread_mutex_t mutex;
    const char *folder, *seal_socket;
    char lock[PATH_MAX], credential[PATH_MAX], erasing[PATH_MAX], records[PATH_MAX];
    char socket[ENGINE_SOCKET_MAX];
    struct secret blob; /* as it is stored; empty: nothing is */
    struct secret kek;  /* empty: closed */
    struct stored_keys keys;
};

/* What systemd has decrypted for this service, if anything; a lock without that is removed. folder and seal_socket must outlive it. */
int vault_load(struct vault *v, const char *folder, const char *seal_socket, struct error *e);
void vault_done(struct vault *v);

bool vault_is_enrolled(struct vault *v);
bool vault_is_open(struct vault *v);
/* How many keys are stored, 0 when that is not known. */
unsigned vault_count(struct vault *v);
/* Of the Engine. */
void vault_socket(struct vault *v, char ret[static ENGINE_SOCKET_MAX]);

/* A new lock that key opens, with key as the one stored. -EEXIST. */
int vault_enroll(struct vault *v, const char *socket, const struct secret *key, struct error *e);
int vault_set_socket(struct vault *v, const char *socket, struct error *e);
/* Everything stored goes. */
int vault_forget(struct vault *v, struct error *e);

/* Opens it by whatever opens its lock. -ENOENT when nothing is stored, -EKEYREJECTED, -EBADMSG. */
int vault_open(struct vault *v, const struct secret *passphrase, struct error *e);
void vault_close(struct vault *v);

/* The stored key at i, the newest first. -ENOENT: no more, or closed. */
int vault_key(struct vault *v, unsigned i, struct secret *ret);

/* Stores a key beside the others, as the newest, and makes the lock's keyslots good. 1 when it was not the newest already. -ENOKEY: closed. */
int vault_put(struct vault *v, const struct secret *key, struct error *e);
/* The Engine was seen to start with it: older ones go. */
int vault_started(struct vault *v, const struct secret *key, struct error *e);

/* The lock's keyslots. Those that change it want something stored (-ENOENT) and the vault open (-ENOKEY), which vault_check_open tells before. */
int vault_check_open(struct vault *v, struct error *e);
int vault_list(struct vault *v, struct keyslot ret[static KEYSLOTS_MAX], struct keyslot_report ret_reports[static KEYSLOTS_MAX], struct error *e);
/* replaces: -1, or the keyslot that goes once the new one opens. */
int vault_add(struct vault *v, struct method *m, enum keyslot_stretch stretch, int replaces, struct keyslot *ret, struct error *e);
int vault_prove(struct vault *v, int slot, const struct secret *passphrase, struct keyslot *ret, struct error *e);
int vault_remove(struct vault *v, int slot, struct error *e);
int vault_token(struct vault *v, int slot, char **ret, struct error *e);
/* What is to be known of a keyslot: it has just opened, or why not. */
void vault_note(struct vault *v, int slot, bool worked, const char *note);
