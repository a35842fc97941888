/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ctl/hidden_line.h"
#include "ctl/status.h"

#define LINE_MAX_BYTES 512

static int read_all(int fd, struct secret *buffer, size_t *ret_n)
{
    size_t n = 0;

    while (n < buffer->size) {
        ssize_t k = read(fd, buffer->data + n, buffer->size - n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        if (k == 0)
            break;
        n += (size_t) k;
    }
    *ret_n = n;
    return 0;
}

int input_data(const char *path, size_t max, const char *what, struct secret *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret buffer = SECRET_NULL;
    _cleanup_close_ int opened = -1;
    int r, fd = STDIN_FILENO;
    size_t n = 0;

    if (path && strcmp(path, "-") != 0) {
        fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            return error_set(e, STATUS_FAILED, "cannot open %s: %s", path, strerror(errno));
    } else {
        if (!path && isatty(fd))
            return error_set(e, STATUS_USAGE, "the %s is missing: name a file, or - to type it here", what);
        path = "standard input";
    }
    r = secret_new(max + 1, &buffer);
    if (r == 0)
        r = read_all(fd, &buffer, &n);
    if (r < 0)
        return error_set(e, STATUS_FAILED, "cannot read %s: %s", path, strerror(-r));
    if (n > max)
        return error_set(e, STATUS_FAILED, "%s must be at most %zu bytes: %s has more", what, max, path);
    secret_truncate(&buffer, n);
    *ret = secret_take(&buffer);
    return STATUS_OK;
}

/* Byte by byte: what follows the line is for whoever reads next. */
static int read_line(struct secret *buffer, size_t *ret_n)
{
    for (size_t n = 0; n < buffer->size; n++) {
        ssize_t k;

        do
            k = read(STDIN_FILENO, buffer->data + n, 1);
        while (k < 0 && errno == EINTR);
        if (k < 0)
            return -errno;
        if (k == 0 || buffer->data[n] == '\n') {
            *ret_n = n;
            return 0;
        }
    }
    return -EMSGSIZE;
}

static int without_space(const struct secret *line, size_t n, struct secret *ret)
{
    size_t start = 0;

    while (n > 0 && strchr(" \t\r\n", line->data[n - 1]))
        n--;
    while (start < n && strchr(" \t", line->data[start]))
        start++;
    return secret_copy(line->data + start, n - start, ret);
}

int input_key(const char *prompt, struct secret *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret line = SECRET_NULL, key = SECRET_NULL;
    size_t n;
    int r = secret_new(LINE_MAX_BYTES, &line);

    if (r == 0)
        r = isatty(STDIN_FILENO) ? hidden_line_read(prompt, &line, &n) : read_line(&line, &n);
    if (r == 0)
        r = without_space(&line, n, &key);
    if (r == -EMSGSIZE || (r == 0 && key.size == 0))
        return error_set(e, STATUS_WRONG_KEY, "invalid key string");
    if (r < 0)
        return error_set(e, STATUS_FAILED, "cannot read the key: %s", strerror(-r));
    *ret = secret_take(&key);
    return STATUS_OK;
}
