/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

#include "ask_file.h"
#include "basic/error.h"

/* The folder of the ask-password queries, watched. */

#define DONE_MAX 16

struct question {
    char name[NAME_MAX + 1]; /* "" for none */
    ino_t inode;
    struct ask_file file;
};

struct ask_folder {
    const char *path;
    int events;                   /* inotify, to be polled */
    struct question done[DONE_MAX]; /* those that are not for us any more */
    unsigned n_done;
};

#define ASK_FOLDER_NULL ((struct ask_folder) { .events = -1 })

/* path must outlive it. */
int ask_folder_open(const char *path, struct ask_folder *ret, struct error *e);

/* Forgets what has been told since. -ENOENT when the folder is gone. */
int ask_folder_drain(struct ask_folder *f);

/* Whether the question is still there and has not ended. */
bool ask_folder_stands(const struct ask_folder *f, const struct question *q);

/* One that stands, that somebody waits behind, and that is not done. -ENOENT when there is none. */
int ask_folder_find(struct ask_folder *f, struct question *ret);

/* The question is not found again. */
void ask_folder_forget(struct ask_folder *f, const struct question *q);

void ask_folder_done(struct ask_folder *f);
