/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"
#include "store/store.h"

#define NODE_FILE_ADDRESS_MAX 272
#define NODE_FILE_MANAGERS_MAX 16

/* node.json: that this machine is a member of a swarm, and where. Nothing in it is secret; docs/FORMATS.md "node.json". */
struct node_file {
    char node_id[STORE_ID_LEN + 1];
    char swarm_id[STORE_ID_LEN + 1];
    Pb__Role role;      /* as this node runs */
    uint64_t raft_id;   /* 0 unless a manager */
    bool has_log;       /* a manager's: false until the swarm's log has come for the first time */
    char advertise[NODE_FILE_ADDRESS_MAX];
    char listen[NODE_FILE_ADDRESS_MAX];
    unsigned n_managers; /* where a worker looks for the swarm */
    char managers[NODE_FILE_MANAGERS_MAX][NODE_FILE_ADDRESS_MAX];
};

/* -ENOENT: not a member; -EBADMSG, -EPROTONOSUPPORT with a text. */
int node_file_read(const char *path, struct node_file *ret, struct error *e);
int node_file_write(const char *path, const struct node_file *file, struct error *e);
