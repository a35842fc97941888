/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "basic/error.h"
#include "basic/secret.h"

/* Writes path whole or not at all, durably: temporary name beside the folder's other hidden files (".NAME.new"), fsync, rename, fsync of
 * the folder. 0 or a negative errno, with the temporary file removed. */
int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *e);

/* As file_write, with the temporary file in folder (on the same file system; NULL: beside path). Once the new file is durable, the bytes of
 * the one it replaced are overwritten, best effort, unless that has another name. */
int file_replace(const char *folder, const char *path, const void *data, size_t size, mode_t mode, struct error *e);

/* The last step of file_replace, for a temporary file that its maker wrote and synced. On failure it is removed. */
int file_move(const char *temporary, const char *path, struct error *e);

/* The same for a file that stays where it is on failure. */
int file_rename(const char *from, const char *path, struct error *e);

/* The temporary name of path in folder (NULL: the one of path), into a buffer of PATH_MAX. -EINVAL, -ENAMETOOLONG. */
int file_temporary(const char *folder, const char *path, char *ret);

/* The whole of a regular file of at most max bytes. -ENOENT, -EMSGSIZE, … */
int file_read(const char *path, size_t max, struct secret *ret, struct error *e);

/* Overwrites a file's bytes, makes that durable and unlinks it; best effort on what the file system and the disk keep. A missing file is
 * no error. */
int file_erase(const char *path, struct error *e);

/* Removes every file in a folder and the folder (one level, as our folders are). A missing folder is no error. */
int folder_remove(const char *path, struct error *e);

/* fsync of the folder that holds path. */
int folder_sync(const char *path);

/* path = folder/name in a buffer of PATH_MAX. -ENAMETOOLONG. */
int path_join(char *ret, const char *folder, const char *name);
