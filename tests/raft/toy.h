/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "raft/replica.h"

/* A state machine that remembers numbers, and a world to run it in: a loop, a folder and a keyring. */
#define TOY_MARKER "toy-marker-in-clear"

struct toy {
    uint64_t *numbers;
    size_t n, room;
    unsigned applies;  /* until one fails with -ENOMEM; 0: none does */
    unsigned restores; /* the same */
};

struct replica_machine toy_machine(struct toy *t);
/* Forgets all numbers. */
void toy_done(struct toy *t);
/* Fills a command with a number; the marker behind it when there is room. Returns size. */
size_t toy_command(unsigned char *command, uint64_t number, size_t size);

/* The keys FIRST to LAST; salt makes them others than those of other keyrings. */
void toy_keys(struct keyring *k, unsigned char salt, uint32_t first, uint32_t last, uint32_t active);

struct world {
    uv_loop_t loop;
    char base[256], folder[300], highwater[300];
    struct keyring *keyring;
    struct toy toy;
    struct replica *replica;
    struct replica_config config;
    struct error error;
    unsigned changes;
    int barrier;
};

/* A fresh temporary folder below $TMPDIR or /var/tmp, with a log in it. */
void world_init(struct world *w);
/* Another world over the files of the same folder. */
void world_again(struct world *w, const char *base);
void world_keys(struct world *w, uint32_t first, uint32_t last, uint32_t active);
int world_open(struct world *w);
void world_close(struct world *w);
/* Closes, frees, and removes the folder when remove is set. */
void world_done(struct world *w, bool remove);

/* Proposes a number in a command of the given size, and waits. */
int world_add(struct world *w, uint64_t number, size_t size);
/* n proposals of consecutive numbers with in_flight at once; all must succeed. */
void world_add_many(struct world *w, uint64_t first, unsigned n, unsigned in_flight, size_t size);
/* Waits until all is applied. */
int world_barrier(struct world *w);
int world_rewrite(struct world *w);
/* numbers first … first + n - 1 in their order, and nothing else */
bool toy_is(const struct toy *t, uint64_t first, size_t n);

void copy_folder(const char *from, const char *to);
/* Of a replica that runs (its files are in from and from/raft): raft_uv's workers may rename and remove files meanwhile. */
void copy_running(const char *from, const char *to);
void remove_folder(const char *path);
