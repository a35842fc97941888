/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/file.h"
#include "basic/memfd.h"
#include "ctl/cmd.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/status.h"

#define SUFFIX ".XXXXXX"

/* The temporary file beside path, which must not exist yet unless it may be replaced. */
static int open_temporary(const struct args *args, const char *path, char temporary[static PATH_MAX], struct error *e)
{
    int fd;

    if (!args->on[OPTION_FORCE_WRITE] && access(path, F_OK) == 0)
        return error_set(e, -STATUS_FAILED, "%s exists already: give another name, or --force", path);
    if ((size_t) snprintf(temporary, PATH_MAX, "%s" SUFFIX, path) >= PATH_MAX)
        return error_set(e, -STATUS_FAILED, "%s: the name is too long", path);
    fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    return fd < 0 ? error_set(e, -STATUS_FAILED, "cannot write %s: %s", temporary, strerror(errno)) : fd;
}

/* Nor does it replace what came there meanwhile, where the file system can tell. */
static int move(const struct args *args, const char *temporary, const char *path)
{
    if (!args->on[OPTION_FORCE_WRITE]) {
        if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EINVAL && errno != ENOSYS)
            return -errno;
    }
    return rename(temporary, path) < 0 ? -errno : 0;
}

static int keep(const struct args *args, int fd, const char *temporary, const char *path, struct error *e)
{
    int r = fsync(fd) < 0 ? -errno : move(args, temporary, path);

    if (r == 0)
        r = folder_sync(path);
    return r < 0 ? error_set(e, STATUS_FAILED, "cannot write %s: %s", path, strerror(-r)) : STATUS_OK;
}

int cmd_backup(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *document = NULL;
    const char *path = args->operands[0];
    char temporary[PATH_MAX];
    _cleanup_close_ int fd = open_temporary(args, path, temporary, e);
    uint32_t generation = 0;
    int r;

    if (fd < 0)
        return -fd;
    r = call_method(c, "Backup", &reply, e, "h", fd);
    if (r == STATUS_OK && sd_bus_message_read(reply, "u", &generation) < 0)
        r = call_reply_error(-EBADMSG, e);
    if (r == STATUS_OK)
        r = keep(args, fd, temporary, path, e);
    if (r != STATUS_OK) {
        (void) unlink(temporary);
        return r;
    }
    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:s,s:I}", "File", path, "KeyGeneration", (json_int_t) generation), e);
    output_print("Wrote ");
    output_text(path);
    output_print(": the unlock key of generation %" PRIu32 " opens it.\n", generation);
    return STATUS_OK;
}

static int append_restore(sd_bus_message *m, const struct args *args, int file, int key)
{
    int r = sd_bus_message_append(m, "hh", file, key);

    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = cmd_append_addresses(m, args);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int restore_from(const struct args *args, struct caller *c, int file, int key, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_json_ json_t *document = NULL;
    const char *id;
    int r = call_new(c, "Restore", &m, e);

    if (r != STATUS_OK)
        return r;
    r = append_restore(m, args, file, key);
    if (r < 0)
        return call_append_error(r, e);
    r = call_send(c, m, &reply, e);
    if (r != STATUS_OK)
        return r;
    if (sd_bus_message_read(reply, "s", &id) < 0)
        return call_reply_error(-EBADMSG, e);
    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:s}", "NodeID", id), e);
    output_print("Swarm restored: current node (");
    output_text(id);
    output_print(") is now its only manager.\n");
    return STATUS_OK;
}

int cmd_restore(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_close_ int file = open(args->operands[0], O_RDONLY | O_CLOEXEC), fd = -1;
    int r;

    if (file < 0)
        return error_set(e, STATUS_FAILED, "cannot read %s: %s", args->operands[0], strerror(errno));
    r = input_key("Please enter unlock key: ", &key, e);
    if (r != STATUS_OK)
        return r;
    fd = memfd_new(key.data, key.size);
    if (fd < 0)
        return error_set(e, STATUS_FAILED, "cannot hand over the key: %s", strerror(-fd));
    return restore_from(args, c, file, fd, e);
}
