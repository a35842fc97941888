/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Some room that is kept for a start on a full disk: raft_uv has to create files before it can read the log. */
#define BALLAST_NAME "ballast"
#define BALLAST_SIZE (256 * 1024)

/* Gives the room back to the file system; best effort. */
void ballast_release(const char *folder);
/* -ENOSPC: then there is none until it is called again. */
int ballast_keep(const char *folder);
