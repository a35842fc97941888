/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../swarm/managers.h"
#include "basic/cleanup.h"
#include "bus/bus_object.h"

/* A client of a manager, on one loop with it: a connection without a bus between. */
struct face {
    struct node *node;
    struct bus_object object;
    sd_bus *client, *server;
    sd_bus_message *reply; /* the last one */
};

void face_open(struct face *f, struct node *node);
void face_close(struct face *f);

/* The error's name without its prefix, "" for none. */
const char *face_call(struct face *f, const char *method, const char *types, ...);
/* Whether it is the wanted one; if not, tells. */
bool face_is(const struct face *f, const char *got, const char *wanted);
#define ANSWERS(f, wanted, ...) CHECK(face_is(f, face_call(f, __VA_ARGS__), wanted))

/* The same in parts: the reply is there when f->reply is. */
void face_send(struct face *f, const char *method, const char *types, ...);
void face_turn(struct face *f);
const char *face_error(struct face *f);

/* Whether the error's text has that, or the reply, as sd_bus_message_dump(3) prints it; if not, tells. */
bool face_says(const struct face *f, const char *text);
bool face_shows(struct face *f, const char *text);

/* From the a{sv} that the reply is. */
const char *face_text(struct face *f, const char *key);
