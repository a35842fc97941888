/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/answer.h"
#include "swarm/manifest.h"
#include "swarm/served.h"
#include "swarm/served_cache.h"

/* The parts of served.h. All of it belongs to the loop's thread. */

#define SERVED_RESULTS_MAX 256
#define SERVED_FETCHES_MAX 4
#define SERVED_CUT_OFF_MS 10000 /* without an answer from the managers */

enum served_source {
    SERVED_NOTHING,
    SERVED_STORE,    /* a manager's own */
    SERVED_MANAGERS, /* as they told; the data is in the cache */
    SERVED_DISK,     /* the offline services alone; likewise */
};

/* A credential that a unit has loaded. */
struct served_use {
    char unit[STORE_UNIT_MAX + 1], service_id[STORE_ID_LEN + 1], credential[STORE_CREDENTIAL_MAX + 1], object_id[STORE_ID_LEN + 1];
    uint32_t kind;
    uint64_t revision;
    int64_t loaded;
};

struct served_result {
    char service_id[STORE_ID_LEN + 1];
    uint64_t number;
    bool failed;
    char text[ERROR_TEXT_MAX];
};

struct served {
    Peer__Manifest *manifest;
    enum served_source source;
    bool stale;  /* the store has changed since */
    bool tell;   /* on_served is due */
    struct served_cache cache;

    /* of a worker */
    bool watching, no_room, cut_off;
    uint64_t watch_number; /* of the newest Watch; answers to older ones are of no interest */
    char leader[PEER_ADDRESS_MAX];
    unsigned fetches, failed_fetches;
    uint64_t next_watch, next_fetch; /* on the loop's clock */
    int64_t contact; /* when the managers were heard last, by served_clock(); of what comes from the disk, by the real-time clock */
    int64_t loaded;  /* when that was read, by served_clock() */

    struct served_use *uses;
    size_t n_uses;
    struct served_result *results;
    size_t n_results, n_sent_results;
    bool reporting, report_again;
    uint64_t report_at; /* on the loop's clock; 0: nothing to report */
    char uses_file[PATH_MAX]; /* "": none */

    bool offline_changed, offline_busy;
    int64_t offline_contact; /* that of the copy on disk */
    uint64_t offline_next;   /* on the loop's clock */
};

int64_t served_clock(void); /* microseconds; goes on while the machine sleeps, and is not set by anybody */

/* ---- served.c */
void served_take_manifest(struct swarm *s, Peer__Manifest *m, enum served_source source); /* takes m */
void served_tell(struct swarm *s);

/* ---- served_watch.c: a worker's news */
void served_watch_turn(struct swarm *s);
void served_fetch_turn(struct swarm *s);
bool served_is_complete(const struct swarm *s); /* all data of the manifest is here */

/* ---- served_offline.c */
void served_offline_turn(struct swarm *s);

/* ---- served_use.c: what was loaded, and what the leader hears of it */
void served_use_note(struct swarm *s, const char *unit, const Peer__ServedService *service, const Peer__ServedGrant *grant, uint64_t revision);
void served_use_turn(struct swarm *s);
void served_use_forget(struct swarm *s);
