/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A Unix stream socket at path, of mode 0600 from the first instant, that does not block; it takes the place of what was there. A descriptor, or a
 * negative errno. */
int listen_private(const char *path);
