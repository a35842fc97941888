/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int capture_begin(struct capture *ret)
{
    _cleanup_close_ int said = memfd_create("said", MFD_CLOEXEC), real = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

    if (said < 0 || real < 0 || dup2(said, STDERR_FILENO) < 0)
        return -errno;
    *ret = (struct capture) { take_fd(&real), take_fd(&said) };
    return 0;
}

static size_t read_tail(int fd, char *ret, size_t max)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return 0;
    n = pread(fd, ret, max, st.st_size > (off_t) max ? st.st_size - (off_t) max : 0);
    return n > 0 ? (size_t) n : 0;
}

static void pass_on(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);

        if (n < 0 && errno != EINTR)
            return;
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t) n : 0;
    }
}

void capture_end(struct capture *c, char ret_text[static CAPTURE_TEXT_MAX])
{
    size_t n = read_tail(c->said, ret_text, CAPTURE_TEXT_MAX - 1);

    for (size_t i = 0; i < n; i++)
        if ((unsigned char) ret_text[i] < ' ' && ret_text[i] != '\n')
            ret_text[i] = ' ';
    ret_text[n] = 0;
    capture_done(c);
    pass_on(STDERR_FILENO, ret_text, n);
}

void capture_done(struct capture *c)
{
    if (c->real >= 0)
        (void) dup2(c->real, STDERR_FILENO);
    closep(&c->real);
    closep(&c->said);
}

size_t last_line(const char *text, const char **ret)
{
    size_t end = strlen(text), begin;

    while (end > 0 && strchr(" \n", text[end - 1]))
        end--;
    for (begin = end; begin > 0 && text[begin - 1] != '\n'; begin--)
        ;
    *ret = text + begin;
    return end - begin;
}
