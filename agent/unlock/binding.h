/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "unlock/jwe.h"
#include "unlock/sss.h"
#include "unlock/unlock_protocol.h"

/* What a JWE is bound to: one Tang server, or an sss pin whose shares are in JWEs of their own. */
struct binding {
    struct jwe jwe;
    struct binding *parent;

    /* tang; url is NULL for sss. The others are borrowed from jwe. */
    char *url;
    const char *kid;
    const json_t *adv, *epk;
    const json_t *server; /* the key of adv that kid names */

    /* sss */
    unsigned threshold;
    unsigned char prime[SSS_SIZE];
    struct binding **children;
    size_t n_children;
};

/* All of it, checked and within the limits. -EOPNOTSUPP: a pin in it is not known here; -EINVAL. */
int binding_parse(const void *jwe, size_t size, struct binding **ret, struct error *e);
void binding_free(struct binding *b);
