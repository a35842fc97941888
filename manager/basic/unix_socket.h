/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sockets at a path. They do not block, and exec(2) closes them. A descriptor, or a negative errno: -ENAMETOOLONG for a path that no address holds. */

/* Listens for streams, of mode 0600 from the first instant; it takes the place of what was there. */
int unix_listen(const char *path);
/* type: SOCK_STREAM or SOCK_SEQPACKET. -EAGAIN: its backlog is full. */
int unix_connect(const char *path, int type);
