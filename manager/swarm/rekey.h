/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm_private.h"

/* What becomes of the other ways to unlock when this manager makes new keys. */
struct rekey_slot {
    struct keyslot slot;         /* the former one, once it is carried over the new one */
    struct method method;        /* what carries it over; its token is NULL when nothing does */
    char why[KEYSLOT_NOTE_MAX];  /* then why not */
};

struct rekey_plan {
    unsigned n;
    struct rekey_slot slots[KEYSLOTS_MAX];
};

void rekey_plan_done(struct rekey_plan *plan);

/* Whether the plan is about these keyslots, the unlock keys' apart. */
bool rekey_plan_fits(const struct rekey_plan *plan, const struct keyslot *slots, int n);

/* In words, as many as fit: those that are not carried over. */
void rekey_lost(const struct rekey_plan *plan, char *ret, size_t size);

/* Lifecycle thread. A header under path for kek with the unlock keys of the cluster and what the plan carries over; what does not go into it is
 * lost in the plan from then on. */
int rekey_make_header(const char *path, const Pb__Cluster *cluster, const struct secret *kek, struct rekey_plan *plan, struct error *e);
void rekey_tell_worked(struct swarm *s, const struct rekey_plan *plan);

/* Errands' thread: asks servers and devices. Fills a slot of the plan; a failure is told there. */
void rekey_carry(struct swarm *s, struct swarm_request *r, const struct keyslot *slot, struct rekey_slot *ret);
