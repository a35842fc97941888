/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "raft/keyring.h"

/* Whether raft_configuration_decode, which trusts what it is given, may be given this: format, number of members (1 to
 * REPLICA_MEMBERS_MAX), for each its id, its address and its role, zeros up to a multiple of 8. -EBADMSG, -EMSGSIZE. */
int membership_check(const void *data, size_t size);

/* A closed segment of raft_uv's that holds one entry: the membership of one voter, encrypted as all entries are. */

#define MEMBERSHIP_NAME_MAX 64

/* In dir, durably and at once or not at all: a crash leaves what raft_uv removes. -EEXIST, -ENOKEY, … */
int membership_write(int dir, const struct keyring *k, uint64_t index, uint64_t term, uint64_t id, const char *address);

/* The segment's name. */
void membership_name(uint64_t index, char out[static MEMBERSHIP_NAME_MAX]);
