/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ask/ask_protocol.h"
#include "basic/cleanup.h"

struct found {
    struct ask_file file;
    bool id, agent;
};

/* A name directly in the folder, so that no query can have a key sent elsewhere. */
static int read_socket(const char *value, const char *folder, char ret[static SOCKET_PATH_MAX])
{
    size_t n = strlen(folder);
    const char *name = value + n + 1;

    if (strlen(value) >= SOCKET_PATH_MAX || strncmp(value, folder, n) != 0 || value[n] != '/' || name[0] == '\0' || strchr(name, '/') ||
        strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    memcpy(ret, value, strlen(value) + 1);
    return 0;
}

static int read_number(const char *value, uint64_t *ret)
{
    unsigned long long n;
    char *end;

    if (value[0] < '0' || value[0] > '9')
        return -EINVAL;
    errno = 0;
    n = strtoull(value, &end, 10);
    if (errno || *end)
        return -EINVAL;
    *ret = n;
    return 0;
}

static int take(struct found *f, const char *key, const char *value, const char *folder)
{
    if (strcmp(key, "Socket") == 0)
        return read_socket(value, folder, f->file.socket);
    if (strcmp(key, "NotAfter") == 0)
        return read_number(value, &f->file.not_after);
    if (strcmp(key, "Id") == 0)
        f->id = strcmp(value, ASK_ID) == 0;
    if (strcmp(key, ASK_AGENT_KEY) == 0)
        f->agent = strcmp(value, "1") == 0;
    return 0;
}

static int read_line(struct found *f, char *line, bool *in_ask, const char *folder)
{
    char *equals;

    if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
        return 0;
    if (line[0] == '[') {
        *in_ask = strcmp(line, "[Ask]") == 0;
        return 0;
    }
    /* Queries of ours go on in no next line, and in a program that joins lines they would mean something else. */
    if (line[strlen(line) - 1] == '\\')
        return -EINVAL;
    equals = strchr(line, '=');
    if (!equals)
        return -EINVAL;
    *equals = '\0';
    return *in_ask ? take(f, line, equals + 1, folder) : 0;
}

int ask_file_parse(const char *text, size_t size, const char *folder, struct ask_file *ret)
{
    char copy[ASK_FILE_MAX + 1], *rest = copy, *line;
    struct found f = { .id = false };
    bool in_ask = false;

    if (size > ASK_FILE_MAX)
        return -EMSGSIZE;
    if (memchr(text, 0, size))
        return -EINVAL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    while ((line = strsep(&rest, "\n")))
        if (read_line(&f, line, &in_ask, folder) < 0)
            return -EINVAL;
    if (!f.id || !f.agent)
        return -ENOENT;
    if (f.file.socket[0] == '\0')
        return -EINVAL;
    *ret = f.file;
    return 0;
}

int ask_file_read(int dir, const char *name, const char *folder, struct ask_file *ret, ino_t *ret_inode)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    char text[ASK_FILE_MAX + 1];
    struct stat st;
    ssize_t n;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_uid != 0)
        return -EPERM;
    n = read(fd, text, sizeof(text));
    if (n < 0)
        return -errno;
    r = ask_file_parse(text, (size_t) n, folder, ret);
    if (r == 0)
        *ret_inode = st.st_ino;
    return r;
}
