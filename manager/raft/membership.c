/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/membership.h"

#include <errno.h>
#include <fcntl.h>
#include <raft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "raft/bytes.h"
#include "raft/record.h"
#include "raft/replica.h"
#include "raft/sealed_io.h"
#include "raft/segments.h"

#define TEMPORARY "tmp-membership" /* raft_uv removes files of that begin when it starts */

int membership_check(const void *data, size_t size)
{
    const unsigned char *p = data, *end;
    size_t at = 9;
    uint64_t n;

    if (size < at || p[0] != 1)
        return -EBADMSG;
    n = get_u64(p + 1);
    if (n == 0)
        return -EBADMSG;
    if (n > REPLICA_MEMBERS_MAX)
        return -EMSGSIZE;
    for (; n > 0; n--) {
        if (size - at < 8 || get_u64(p + at) == 0)
            return -EBADMSG;
        at += 8;
        end = memchr(p + at, 0, size - at);
        if (!end || end == p + at || end - (p + at) > REPLICA_ADDRESS_MAX || end + 1 == p + size || end[1] > 2)
            return -EBADMSG;
        at = (size_t) (end + 2 - p);
    }
    return size - at < 8 ? 0 : -EBADMSG;
}

void membership_name(uint64_t index, char out[static MEMBERSHIP_NAME_MAX])
{
    (void) snprintf(out, MEMBERSHIP_NAME_MAX, "%016llu-%016llu", (unsigned long long) index, (unsigned long long) index);
}

static int encode(uint64_t id, const char *address, struct raft_buffer *ret)
{
    struct raft_configuration c;
    int rv;

    raft_configuration_init(&c);
    rv = raft_configuration_add(&c, id, address, RAFT_VOTER);
    if (rv == 0)
        rv = raft_configuration_encode(&c, ret);
    raft_configuration_close(&c);
    return sealed_errno(rv);
}

static int write_file(int dir, const void *data, size_t size)
{
    _cleanup_close_ int fd = -1;
    ssize_t n;

    if (unlinkat(dir, TEMPORARY, 0) < 0 && errno != ENOENT)
        return -errno;
    fd = openat(dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    n = write(fd, data, size);
    if (n < 0)
        return -errno;
    if ((size_t) n != size)
        return -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

static int put_in_place(int dir, uint64_t index)
{
    char name[MEMBERSHIP_NAME_MAX];

    membership_name(index, name);
    if (renameat2(dir, TEMPORARY, dir, name, RENAME_NOREPLACE) < 0)
        return -errno;
    return fsync(dir) < 0 ? -errno : 0;
}

int membership_write(int dir, const struct keyring *k, uint64_t index, uint64_t term, uint64_t id, const char *address)
{
    const struct record_place place = { RECORD_ENTRY, RAFT_CHANGE, index, term };
    _cleanup_free_ unsigned char *record = NULL, *segment = NULL;
    struct raft_buffer membership = { .len = 0 };
    size_t size;
    int r;

    r = encode(id, address, &membership);
    if (r < 0)
        return r;
    size = RECORD_HEADER_SIZE + membership.len;
    record = malloc(size);
    segment = malloc(segment_one_size(size));
    r = record && segment ? record_seal(k, &place, membership.base, membership.len, record) : -ENOMEM;
    raft_free(membership.base);
    if (r < 0)
        return r;
    segment_one(term, RAFT_CHANGE, record, size, segment);
    r = write_file(dir, segment, segment_one_size(size));
    if (r == 0)
        r = put_in_place(dir, index);
    if (r < 0)
        (void) unlinkat(dir, TEMPORARY, 0);
    return r;
}
