/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "docker/watcher.h"

/* ---- watcher.c */
/* Tells it, unless it was the last thing told. */
void watcher_trouble(struct watcher *w, const struct error *why);
void watcher_look_now(struct watcher *w);
/* With growing pauses. */
void watcher_look_later(struct watcher *w);

/* ---- unlock.c: what is done about an Engine that is locked, or was */
void unlock_start(struct watcher *w);
/* The opener has a passphrase. */
void unlock_opened(struct watcher *w, const struct secret *passphrase, int slot, const char *kind);
/* A person's secret. -EKEYREJECTED: it opens nothing. */
int unlock_typed(struct watcher *w, const struct secret *text, const char *how, struct error *e);
/* The Engine is active: what it has for a key is stored. */
void unlock_follow(struct watcher *w);
/* Tells, once, when the vault does not open for that. */
void unlock_cannot_open(struct watcher *w);

/* ---- question.c: people */
/* When to raise it, NEVER when there is nothing to ask. */
int64_t question_due(const struct watcher *w);
void question_ask_if_due(struct watcher *w);
void question_answered(struct watcher *w);
void question_end(struct watcher *w);
/* What swarmctl brought, if anything. */
bool question_take_key(struct watcher *w);
