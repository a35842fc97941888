/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* io_destroy(2) sleeps for some 30 ms (it waits for an RCU grace period), and raft_uv calls it on the loop's thread: once when it
 * starts and whenever it closes a segment. No-one needs to wait for it. raft_uv reaches it through the C library's syscall(), which
 * this file defines anew for the program: io_destroy runs in a thread of its own, every other call goes on to the C library. A
 * program that is linked such that libraft does not see the definition is only slower.
 *
 * Makes sure that the definition is linked in. */
void aio_destroy_install(void);
