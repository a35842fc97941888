/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One header in the place of another. Which of the two counts is decided by the sealed bundle, which names it: so a kill between the two
 * files' renames leaves nothing open to doubt, before anybody unlocks. */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "basic/file.h"
#include "keys/keyslots_file.h"

#define SUFFIX ".next"

int keyslots_next(const char *path, char *ret)
{
    return (size_t) snprintf(ret, PATH_MAX, "%s" SUFFIX, path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int keyslots_uuid(const char *path, unsigned char ret[static KEYSLOTS_UUID_SIZE], struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    unsigned char uuid[KEYSLOTS_UUID_SIZE];
    const char *text, *end;
    size_t n;
    int r = lock_load(&lock, path, e);

    if (r < 0)
        return r;
    text = crypt_get_uuid(lock.cd);
    if (!text || sodium_hex2bin(uuid, sizeof(uuid), text, strlen(text), "-", &n, &end) < 0 || *end != '\0' || n != sizeof(uuid))
        return lock_damaged(path, "its UUID is none", e);
    memcpy(ret, uuid, sizeof(uuid));
    return 0;
}

int keyslots_hold(const char *path, const struct secret *kek, struct error *e)
{
    _cleanup_(lock_done) struct lock lock = { 0 };
    int r = lock_load(&lock, path, e);

    return r < 0 ? r : lock_holds(&lock, kek, e);
}

/* 1 when the header has that UUID, 0 when it has another one. -EBADMSG, -ENOENT. */
static int is_header(const char *path, const unsigned char *uuid, struct error *e)
{
    unsigned char found[KEYSLOTS_UUID_SIZE];
    int r = keyslots_uuid(path, found, e);

    return r < 0 ? r : memcmp(found, uuid, sizeof(found)) == 0;
}

/* Of a header that is not to be switched in; one that was being made when the power went has its temporary name. */
static int erase_next(const char *next, struct error *e)
{
    char temporary[PATH_MAX];
    int r = file_temporary(NULL, next, temporary);

    if (r == 0)
        r = file_erase(next, e);
    return r < 0 ? r : file_erase(temporary, e);
}

int keyslots_settle(const char *path, const unsigned char *uuid, struct error *e)
{
    struct error ignored;
    char next[PATH_MAX];
    int r = keyslots_next(path, next), is_there, is_next;

    if (r < 0)
        return error_set(e, r, "%s has too long a name", path);
    if (access(next, F_OK) < 0 || !uuid)
        return erase_next(next, e);
    is_there = is_header(path, uuid, &ignored);
    if (is_there == 1)
        return erase_next(next, e);
    is_next = is_header(next, uuid, e);
    if (is_next < 0)
        return is_next == -EBADMSG || is_next == -EPROTONOSUPPORT ? 0 : is_next;
    if (is_next == 0)
        return erase_next(next, e);
    if (is_there < 0 && is_there != -ENOENT && is_there != -EBADMSG)
        return is_header(path, uuid, e);
    r = file_rename(next, path, e);
    return r < 0 ? r : 1;
}
