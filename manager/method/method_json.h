/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "method/method.h"

/* The bodies that helpers take and give (docs/FORMATS.md "The helpers' sockets"). Texts come from malloc; -EPROTO for a body without its form. */

struct method_advertisement {
    json_t *adv;
    unsigned n_thumbprints;
    char thumbprints[KEYSLOT_SERVERS_MAX][KEYSLOT_THUMBPRINT_MAX];
};

int method_json_advertisement(const struct secret *body, struct method_advertisement *ret);
void method_advertisement_done(struct method_advertisement *a);

/* Servers whose advertisements are trusted, for one keyslot. */
struct method_pin {
    json_t *servers;
};

int method_pin_add(struct method_pin *pin, const char *url, const struct method_advertisement *a);
/* One server: a tang pin; more: an sss pin of which threshold have to answer. */
int method_pin_text(const struct method_pin *pin, unsigned threshold, char **ret);
void method_pin_done(struct method_pin *pin);

int method_json_clevis_token(const struct secret *jwe, char **ret);
/* The JWE of a clevis token. -ENOSYS for any other token. */
int method_json_jwe(const char *token, char **ret);

/* pcrs: NULL leaves them to the helper. */
int method_json_enroll(const char *kind, const char *pcrs, char **ret);

/* 0 when swarm-open has opened the slot, else why not: -EKEYREJECTED its server or device refuses, -EHOSTUNREACH there is none now, -ENOSYS no
 * way known. */
int method_json_opened(const char *head, int slot, struct error *e);

/* What was found of all the servers of a JWE: ret_result is KEYSLOT_CURRENT, _ROTATED or _FAILED (one cannot be trusted, or none answers),
 * ret_text names the servers that are not as they were, ret_pin is for a new binding. */
int method_json_check(const struct secret *body, enum keyslot_result *ret_result, char *ret_text, size_t size, char **ret_pin);
