/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

/* A query of the ask-password protocol (https://systemd.io/PASSWORD_AGENTS/), as far as it concerns swarm-agent. */

#define ASK_FILE_MAX 4096
#define SOCKET_PATH_MAX sizeof(((struct sockaddr_un *) 0)->sun_path)

struct ask_file {
    char socket[SOCKET_PATH_MAX];
    uint64_t not_after; /* CLOCK_MONOTONIC, µs; 0: never ends */
};

/* 0 for a query of the manager that swarm-agent may answer, with a socket directly in folder; -ENOENT for any other query; -EINVAL for what has
 * no valid form. */
int ask_file_parse(const char *text, size_t size, const char *folder, struct ask_file *ret);

/* The same, of the file name in the folder that is open at dir; -EPERM when it is not a regular file of root's, -EMSGSIZE when it is too long. Tells
 * the file's inode. */
int ask_file_read(int dir, const char *name, const char *folder, struct ask_file *ret, ino_t *ret_inode);
