/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ask/query.h"
#include "docker/opener.h"
#include "docker/places.h"

/* Looks at the Engine whenever something may have changed, unlocks it when it is locked, and stores its key when it has another one. One thread,
 * in which everything that blocks has an end. */

#define WATCHER_REFUSED_MAX 16
#define WATCHER_DIGEST_SIZE 16

struct watcher_config {
    const char *questions; /* the folder of the ask-password queries */
    const char *helpers;   /* the folder of the helpers' sockets */
    int patience_ms;       /* how long an Engine that is starting may not answer before that is told */
};

/* A key from swarmctl, which waits for what becomes of it. */
struct watcher_key {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct secret text; /* to be tried */
    bool waits, is_done;
    int result;
    struct error error;
};

struct watcher_status {
    enum engine_state state;
    bool is_found, asks;
    struct error trouble;
};

struct watcher {
    const struct watcher_config *config;
    struct vault *vault;
    int stop, kick; /* to be polled */
    const volatile sig_atomic_t *stopping;
    struct engine *engine;
    char socket[ENGINE_SOCKET_MAX];
    struct places places;
    struct opener opener;
    struct query question;
    bool asks, was_wrong;
    int64_t ask_again;
    struct watcher_key key;
    struct watcher_status status; /* under key.mutex */

    enum engine_state state; /* as it was last seen */
    bool is_found;           /* the last look found an Engine */
    int64_t again;           /* when to look without a reason */
    int connection;          /* the one that tells when it stops */
    int64_t connected;       /* since when there is that */
    int64_t lost;            /* since when there is no Engine */
    int pause_ms;
    struct error trouble;    /* the last that was told */
    bool told_idle;          /* that it is locked and nothing is enrolled */
    bool told_not_stored;

    /* Keys that this Engine, since it was started, has refused. */
    unsigned char refused[WATCHER_REFUSED_MAX][WATCHER_DIGEST_SIZE];
    unsigned n_refused;
    bool is_exhausted; /* nothing that is stored helps */
};

/* stop: readable when it is to end, with *stopping set. w must not move. */
int watcher_open(struct watcher *w, const struct watcher_config *config, struct vault *vault, int stop, const volatile sig_atomic_t *stopping,
                 struct error *e);
/* Until stop. A negative errno when it cannot go on. */
int watcher_run(struct watcher *w, struct error *e);
void watcher_done(struct watcher *w);

/* ---- from other threads */
/* What is stored, or where the Engine is, has changed. */
void watcher_kick(struct watcher *w);
void watcher_status(struct watcher *w, struct watcher_status *ret);
/* Tries what a person knows: the Engine's unlock key, or a secret that opens the lock. Takes it. -EKEYREJECTED, -EALREADY, -ETIMEDOUT, … */
int watcher_try(struct watcher *w, struct secret *text, struct error *e);
