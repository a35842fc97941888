/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/output.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/escape.h"
#include "ctl/status.h"

#define BUFFER_SIZE 16384

static struct secret buffer;
static size_t used;
static int failure; /* the first errno */

int output_init(void)
{
    return secret_new(BUFFER_SIZE, &buffer);
}

static void flush(void)
{
    for (size_t done = 0; done < used && failure == 0;) {
        ssize_t n = write(STDOUT_FILENO, buffer.data + done, used - done);

        if (n >= 0)
            done += (size_t) n;
        else if (errno != EINTR)
            failure = errno;
    }
    sodium_memzero(buffer.data, used);
    used = 0;
}

void output_bytes(const void *data, size_t n)
{
    const unsigned char *p = data;

    while (n > 0) {
        size_t part = n < BUFFER_SIZE - used ? n : BUFFER_SIZE - used;

        memcpy(buffer.data + used, p, part);
        used += part;
        p += part;
        n -= part;
        if (used == BUFFER_SIZE)
            flush();
    }
}

void output_print(const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0) {
        text = NULL;
        failure = ENOMEM;
    } else
        output_bytes(text, (size_t) n);
}

void output_text(const char *text)
{
    _cleanup_free_ char *clean = NULL;
    size_t n = strlen(text);

    if (escape_is_clean(text, n, ESCAPE_TEXT)) { /* no copy of what may be a key */
        output_bytes(text, n);
        return;
    }
    clean = escape(text, n, ESCAPE_TEXT);
    if (clean)
        output_bytes(clean, strlen(clean));
    else
        failure = ENOMEM;
}

int output_finish(struct error *e)
{
    struct stat st;

    flush();
    /* EINVAL, EROFS: a file that cannot be synced */
    if (failure == 0 && fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) && fsync(STDOUT_FILENO) < 0 && errno != EINVAL &&
        errno != EROFS)
        failure = errno;
    if (failure != 0)
        return error_set(e, STATUS_FAILED, "cannot write to standard output: %s", strerror(failure));
    return STATUS_OK;
}
