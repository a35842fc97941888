/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "basic/error.h"
#include "basic/secret.h"

/* A snapshot of the swarm's state in a file that the unlock key opens, docs/FORMATS.md "Backup". Unlock keys are UNLOCK_KEY_SIZE bytes. */

#define BACKUP_SNAPSHOT_MAX (160U * 1024 * 1024)
#define BACKUP_SWARM_ID_SIZE 26 /* 25 base36 digits and a NUL */

/* What stands in the file in clear. */
struct backup_header {
    uint32_t generation; /* of the unlock key */
    char swarm_id[BACKUP_SWARM_ID_SIZE];
};

/* Writes at fd's position, without fsync; on failure part of it may be there. -EINVAL the key, or the swarm's id, has no valid form;
 * -EMSGSIZE over BACKUP_SNAPSHOT_MAX; -ENOMEM, or as write(2) has it. */
int backup_write(int fd, const struct backup_header *header, const struct secret *unlock_key, const void *snapshot, size_t size,
                 struct error *e);

/* fd is a regular file or a memfd, of which the backup is the whole; its position stays. Nothing here is authenticated: anybody may have
 * written it until backup_read succeeds. -EINVAL not a backup, -EPROTONOSUPPORT from a newer version, -EBADMSG damaged, -EMSGSIZE too
 * large, or as read(2) has it. */
int backup_read_header(int fd, struct backup_header *ret, struct error *e);

/* As backup_read_header, and -EKEYREJECTED when another unlock key has sealed it, -ENOMEM. The snapshot comes from malloc (NULL is never
 * returned, also for 0 bytes); it is secret, so the caller erases it before free. */
int backup_read(int fd, const struct secret *unlock_key, struct backup_header *ret_header, void **ret_snapshot, size_t *ret_size,
                struct error *e);
