/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <sys/un.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "ask/request.h"

#define QUERY_FOLDER "/run/systemd/ask-password"

/* A query that every password agent sees: FOLDER/ask.swarm-ID, answered at FOLDER/sck.swarm-ID, for as long as it is open. */
struct query {
    int fd; /* datagrams with SCM_CREDENTIALS */
    struct sockaddr_un address;
    char file[PATH_MAX];
};

#define QUERY_NULL ((struct query) { .fd = -1 })

int query_open(const char *folder, const struct request *request, struct query *ret, struct error *e);

/* One datagram: an enum answer, with the password behind the first byte of packet (of ANSWER_PACKET_MAX bytes) and its size; -EAGAIN when none was
 * there, or none of root's. agent: it came from swarm-agent. */
int query_receive(const struct query *q, struct secret *packet, size_t *ret_size, bool *ret_agent);

/* Withdraws the query; scope exit function. */
void query_done(struct query *q);

/* Removes what killed helpers left in the folder more than QUERY_YOUNG seconds ago: our files whose socket nobody has open. */
#define QUERY_YOUNG 1
void query_collect(const char *folder);
