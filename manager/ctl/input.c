/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "basic/memfd.h"
#include "ctl/hidden_line.h"
#include "ctl/status.h"

#define LINE_MAX_BYTES 1024
#define PASSPHRASE_MAX 512 /* of those that the manager adds */

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

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_key_or_token(const unsigned char *text, size_t n)
{
    static const char key[] = "SWMKEY-1-", token[] = "SWMTKN-1-";
    const size_t prefix = sizeof(key) - 1;

    return n >= prefix && (memcmp(text, key, prefix) == 0 || memcmp(text, token, prefix) == 0);
}

/* No passphrase has the form of an unlock key, and what is copied with one is never part of it. */
static int without_space(const struct secret *line, size_t n, struct secret *ret)
{
    size_t start = 0, end = n;

    while (end > 0 && is_blank(line->data[end - 1]))
        end--;
    while (start < end && is_blank(line->data[start]))
        start++;
    if (!is_key_or_token(line->data + start, end - start))
        return secret_copy(line->data, n, ret);
    return secret_copy(line->data + start, end - start, ret);
}

/* A negative errno; -EMSGSIZE for a line that is too long, or empty. */
static int read_secret(const char *prompt, struct secret *ret)
{
    _cleanup_(secret_done) struct secret line = SECRET_NULL;
    size_t n = 0;
    int r = secret_new(LINE_MAX_BYTES + 1, &line);

    if (r == 0)
        r = isatty(STDIN_FILENO) ? hidden_line_read(prompt, &line, &n) : read_line(&line, &n);
    if (r == 0 && n == 0)
        r = -EMSGSIZE;
    return r < 0 ? r : without_space(&line, n, ret);
}

int input_key(const char *prompt, struct secret *ret, struct error *e)
{
    int r = read_secret(prompt, ret);

    if (r == -EMSGSIZE)
        return error_set(e, STATUS_WRONG_KEY, "invalid key string");
    return r < 0 ? error_set(e, STATUS_FAILED, "cannot read the key: %s", strerror(-r)) : STATUS_OK;
}

int input_key_memfd(const char *prompt, int *ret_fd, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    int fd, r = input_key(prompt, &key, e);

    if (r != STATUS_OK)
        return r;
    fd = memfd_new(key.data, key.size);
    if (fd < 0)
        return error_set(e, STATUS_FAILED, "cannot hand over the key: %s", strerror(-fd));
    *ret_fd = fd;
    return STATUS_OK;
}

static int input_passphrase(const char *prompt, struct secret *ret, struct error *e)
{
    int r = read_secret(prompt, ret);

    if (r == -EMSGSIZE)
        return error_set(e, STATUS_FAILED, "a passphrase has 1 to %d bytes", PASSPHRASE_MAX);
    return r < 0 ? error_set(e, STATUS_FAILED, "cannot read the passphrase: %s", strerror(-r)) : STATUS_OK;
}

int input_new_passphrase(struct secret *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret first = SECRET_NULL, second = SECRET_NULL;
    int r = input_passphrase("New passphrase: ", &first, e);

    if (r == STATUS_OK && isatty(STDIN_FILENO)) {
        r = input_passphrase("The same again: ", &second, e);
        if (r == STATUS_OK && (first.size != second.size || sodium_memcmp(first.data, second.data, first.size) != 0))
            return error_set(e, STATUS_FAILED, "the two are not the same: nothing was added");
    }
    if (r == STATUS_OK)
        *ret = secret_take(&first);
    return r;
}

bool input_agrees(const char *question)
{
    _cleanup_(secret_done) struct secret line = SECRET_NULL;
    size_t n = 0;

    (void) fputs(question, stderr);
    if (secret_new(LINE_MAX_BYTES, &line) < 0 || read_line(&line, &n) < 0)
        return false;
    return (n == 1 && (line.data[0] == 'y' || line.data[0] == 'Y')) || (n == 3 && strncasecmp((char *) line.data, "yes", n) == 0);
}
