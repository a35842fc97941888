/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/secret.h"

/* A sealed memfd that holds the bytes: how secrets cross D-Bus (memfd_create(2), file sealing in fcntl(2)). Returns the fd. */
int memfd_new(const void *data, size_t size);

/* The bytes of a memfd that its sender can no longer change. -EINVAL when fd is no memfd or lacks F_SEAL_SHRINK, F_SEAL_GROW and
 * F_SEAL_WRITE; -EMSGSIZE when it has more than max bytes. Does not close fd. */
int memfd_read(int fd, size_t max, struct secret *ret);

/* The same into a buffer of max bytes, which the caller erases; returns how many bytes there are. For data on the way into the store, which
 * is ordinary memory anyway: guarded pages cost ten system calls and interrupt the other threads' processors. */
int memfd_read_into(int fd, void *buffer, size_t max);
