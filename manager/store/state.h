/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/index.h"
#include "store/revocations.h"
#include "store/store.h"

#define STATE_KINDS 2 /* values of Pb__Kind */

/* The inside of the store, for apply.c and snapshot.c. */
struct store {
    uint64_t version;
    Pb__Cluster *cluster;
    struct index nodes;
    struct named {
        struct index by_id, by_name;
    } objects[STATE_KINDS], services;
    struct index usages;
    struct revocations revocations;
    size_t size; /* packed bytes of all nodes, objects, services and usages */
};

void state_init(struct store *s);
/* Erases and frees everything in s, not s itself. */
void state_done(struct store *s);
