/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "docker/watcher.h"
#include "fake-engine.h"
#include "test.h"

/* Docker's agent in this process, with folders of its own, beside an Engine that is played. */

#define WAIT_MS 10000

extern char folder[], state[64], questions[64], engine_path[64];
extern struct vault vault;
extern struct watcher watcher;
extern struct error e;

void sleep_ms(int ms);

#define WAIT_FOR(expr)                                                    \
    do {                                                                  \
        int _left = WAIT_MS;                                              \
                                                                          \
        while (!(expr) && (_left -= 20) > 0)                              \
            sleep_ms(20);                                                 \
        CHECK(expr);                                                      \
    } while (0)

/* The text of a new unlock key. */
struct secret new_text(void);
/* NULL: autolock is off. */
void set_engine_key(const struct secret *text);

/* The folders, the Engine, and what seals. */
void fixture_begin(const struct secret *engine_key);
void fixture_end(void);
void fixture_load(void);
void agent_start(void);
void agent_stop(void);
