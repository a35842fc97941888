/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/secret.h"
#include "exchange/exchange.h"

#define OPEN_SLOTS_MAX 32
#define OPEN_KIND_MAX 64

/* Why a keyslot did not open. */
struct open_failure {
    int slot;
    char kind[OPEN_KIND_MAX];
    char class; /* 'l', 'r', 'u' or 'i' of exchange.h */
    char text[EXCHANGE_TEXT_MAX + 1];
};

/* What swarm-open replies, open_protocol.h. */
struct open_reply {
    int slot; /* -1: none opened */
    char kind[OPEN_KIND_MAX];
    unsigned n_failures;
    struct open_failure failures[OPEN_SLOTS_MAX];
    struct secret passphrase;
};

#define OPEN_REPLY_NULL ((struct open_reply) { .slot = -1 })

/* Adds a failure, if there is room. code: an errno of exchange.h, any other is told as 'l'. */
void open_reply_add(struct open_reply *r, int slot, const char *kind, int code, const char *text);

/* The body. -ENOMEM, -EMSGSIZE. */
int open_reply_format(const struct open_reply *r, struct secret *ret_body);

/* -EPROTO when it has no valid form. kind and text come without control characters. */
int open_reply_parse(const struct secret *body, struct open_reply *ret);

/* Erases the passphrase; scope exit function. */
void open_reply_done(struct open_reply *r);
