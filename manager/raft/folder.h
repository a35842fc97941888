/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/error.h"
#include "raft/highwater.h"
#include "raft/keyring.h"

/* The files of raft_uv's folder, read without changing anything. */

#define FOLDER_NAME_MAX 128 /* raft_uv ignores longer names */
#define FOLDER_FILES_MAX 65536
#define FOLDER_ASIDE "aside-"

struct folder_segment {
    bool open;
    uint64_t first, last; /* of a closed one */
    uint64_t counter;     /* of an open one */
    char name[FOLDER_NAME_MAX];
};

struct folder_snapshot {
    uint64_t term, index, timestamp;
    char name[FOLDER_NAME_MAX]; /* of the data; the metadata's has .meta behind it */
};

/* Sorted as raft_uv sorts them: closed segments by index, then open ones by counter; the newest snapshot last. */
struct folder {
    struct folder_segment *segments;
    struct folder_snapshot *snapshots; /* those that have both files */
    size_t n_segments, n_closed, n_snapshots;
};

int folder_list(int dir, struct folder *ret);
void folder_done(struct folder *f);

/* Reads a whole file into memory from malloc. -EMSGSIZE over 1 GiB. */
int folder_read(int dir, const char *name, unsigned char **ret, size_t *ret_size);

/* A file that raft_uv stumbles over although nothing is lost. */
struct folder_stumble {
    uint64_t keep; /* bytes; what follows is to be replaced by zeros. 0: it holds nothing that counts and is to be set aside */
    char name[FOLDER_NAME_MAX];
};

/* What folder_check found. */
struct folder_state {
    uint64_t snapshot_index, snapshot_term; /* of the newest snapshot; 0: none */
    struct folder_stumble *stumbles;
    size_t n_stumbles;
};

void folder_state_done(struct folder_state *s);

/* Whether raft_uv may load the folder: it cuts off, renames and removes what it takes for leftovers of a crash, so this is looked at
 * before. After a clean stop there is nothing that it would change, and what it loads is checked by sealed_io; otherwise every record
 * is decrypted here. Fails when any file that counts is damaged, or the log ends before the mark. */
int folder_check(const char *path, const struct keyring *k, const struct highwater_mark *mark, struct folder_state *ret,
                 struct error *e);

/* Sets files aside by the name FOLDER_ASIDE…, which raft_uv ignores. */
int folder_mend(const char *path, const struct folder_state *state, struct error *e);

/* 0: every record in the folder is under the DEK key_id; 1: another was found; -errno. Works while raft_uv runs, in any thread. */
int folder_only_key(const char *path, uint32_t key_id);
/* Removes the files that folder_mend set aside. */
int folder_remove_aside(const char *path);
