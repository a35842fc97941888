/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "keys/keyslots.h"

/* Methods that give a keyslot's passphrase back without a person, made and proven by the helpers that know them. Everything here waits for
 * servers and devices. */

#define KEYSLOT_SERVERS_MAX 16
#define KEYSLOT_URL_MAX 256
#define KEYSLOT_THUMBPRINT_MAX 64 /* base64url of a SHA-256 has 43 digits */
#define KEYSLOT_PCRS_MAX 64
#define KEYSLOT_NOTE_MAX 160

/* What a new keyslot is to be, or which ones to refresh. */
struct keyslot_options {
    char kind[KEYSLOT_KIND_MAX]; /* tang, tpm2, recovery, passphrase */
    unsigned n_urls, threshold, n_thumbprints;
    char urls[KEYSLOT_SERVERS_MAX][KEYSLOT_URL_MAX];
    char thumbprints[KEYSLOT_SERVERS_MAX][KEYSLOT_THUMBPRINT_MAX]; /* each server must have a signing key among these */
    bool trust_first;
    char pcrs[KEYSLOT_PCRS_MAX]; /* as systemd-cryptenroll's --tpm2-pcrs=; "": its default */
    bool check;     /* refresh: only look */
    bool automatic; /* refresh: only what needs no person's judgement, which is Tang */
};

/* What is known of a keyslot beside the lock itself. */
struct keyslot_report {
    int64_t worked; /* microseconds since 1970 when it last unlocked or was proven; 0: never */
    char note[KEYSLOT_NOTE_MAX];
};

enum keyslot_result {
    KEYSLOT_CURRENT,
    KEYSLOT_REFRESHED,
    KEYSLOT_ROTATED, /* would be refreshed */
    KEYSLOT_FAILED,
    KEYSLOT_SKIPPED,
};

struct keyslot_refresh {
    int slot, new_slot; /* new_slot: -1 unless refreshed */
    char kind[KEYSLOT_KIND_MAX];
    enum keyslot_result result;
    char text[ERROR_TEXT_MAX];
};

/* How to ask the helper whose socket has that name. Errors as in exchange/exchange.h, but -EHOSTUNREACH when there is no helper, and -ENOSYS when
 * it knows no way. */
struct method_helpers {
    int (*exchange)(void *data, const char *helper, char operation, const void *body, size_t size, unsigned timeout_ms,
                    struct secret *ret_body, struct error *e);
    void *data;
};

/* A token and the passphrase that its method gives back, which was proven. token NULL: a person's passphrase. */
struct method {
    char *token; /* from malloc */
    struct secret passphrase;
};
#define METHOD_NULL ((struct method) { NULL, SECRET_NULL })
void method_done(struct method *m);

/* The method of any kind in options; typed: a person's passphrase, which is taken. -EINVAL when the options make no sense. */
int method_make(struct method_helpers h, const struct keyslot_options *options, struct secret *typed, struct method *ret, struct error *e);
/* How what method_make made is to be stretched. */
enum keyslot_stretch method_stretch(const struct keyslot_options *options);
/* Whether a keyslot of that kind opens with a secret that a person has. */
bool method_is_persons(const char *kind);

int method_tang(struct method_helpers h, const struct keyslot_options *options, struct method *ret, struct error *e);
/* pcrs: NULL for systemd-cryptenroll's default, "" for none. */
int method_tpm2(struct method_helpers h, const char *pcrs, struct method *ret, struct error *e);
/* The thumbprints of the keys that a Tang server signs with; returns how many. */
int method_advertisement(struct method_helpers h, const char *url, char ret_thumbprints[static KEYSLOT_SERVERS_MAX][KEYSLOT_THUMBPRINT_MAX],
                         struct error *e);
/* From the keyslot's own method, by way of swarm-open. */
int method_open(struct method_helpers h, int slot, struct secret *ret_passphrase, struct error *e);
/* For a clevis token: a new method for the same servers, with the keys that they have now if a known one vouches for them. -EKEYREJECTED when
 * one cannot be trusted, or none answers. */
int method_rebind_tang(struct method_helpers h, const char *token, struct method *ret, struct error *e);
/* For a clevis token: what its servers say, and if one has rotated, a new method. */
int method_check_tang(struct method_helpers h, const char *token, bool only_look, struct keyslot_refresh *ret, struct method *ret_method);
