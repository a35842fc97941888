/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/secret.h"
#include "credentials/credentials.h"

struct credentials {
    struct credentials_config config;
    int fd;
    uv_poll_t poll;
    uv_timer_t sweep, pause;
    unsigned open_handles;
    bool listening, closing;
    struct peer *peers; /* the newest first */
    unsigned n_peers, n_strangers;
    uint64_t minute;
    unsigned told, told_strangers; /* in this minute */
};

/* Somebody whose answer takes longer than one system call. */
struct peer {
    struct credentials *owner;
    struct peer *next, **link;
    uv_poll_t poll;
    int fd;
    pid_t pid;
    bool held, stranger;
    struct peer_name name;
    char kept[CREDENTIALS_KEPT_MAX]; /* "": not */
    struct secret data; /* what is sent; none: a refusal */
    size_t sent;
    uint64_t deadline; /* on the loop's clock; not for one that is held */
};

/* ---- peer.c: one connection. What cannot be sent at once goes on by itself. Each takes fd. */

/* size bytes of data, or, with data NULL, a refusal: more zeros than systemd takes for a credential, so that the unit fails. */
void peer_send(struct credentials *c, int fd, const void *data, size_t size, bool stranger);
/* kept: the name under which it is kept already, or NULL. */
void peer_hold(struct credentials *c, int fd, const struct peer_name *name, pid_t pid, const char *kept);
void peer_leave(struct peer *p); /* to who comes after this process */
/* What became of one that was held. */
void peer_answer(struct peer *p, const void *data, size_t size);
void peer_close(struct peer *p);

/* ---- credentials.c */
void credentials_peer_gone(struct credentials *c);
