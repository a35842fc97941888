/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "basic/cleanup.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define UNCHANGING (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Kernels before 6.3 refuse MFD_NOEXEC_SEAL; later ones may be set to demand it. */
static int create(void)
{
    int fd = memfd_create("swarm-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("swarm-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int memfd_new(const void *data, size_t size)
{
    _cleanup_close_ int fd = -1;
    size_t done = 0;

    if (size > SECRET_MAX)
        return -EMSGSIZE;
    fd = create();
    if (fd < 0)
        return fd;
    while (done < size) {
        ssize_t n = pwrite(fd, (const unsigned char *) data + done, size - done, (off_t) done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t) n;
    }
    if (fcntl(fd, F_ADD_SEALS, UNCHANGING | F_SEAL_SEAL) < 0)
        return -errno;
    return take_fd(&fd);
}

/* The size of a sealed memfd. */
static int measure(int fd, size_t max, size_t *ret)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (seals < 0)
        return errno == EBADF ? -EBADF : -EINVAL;
    if ((seals & UNCHANGING) != UNCHANGING)
        return -EINVAL;
    if (fstat(fd, &st) < 0)
        return -errno;
    if ((uint64_t) st.st_size > max)
        return -EMSGSIZE;
    *ret = (size_t) st.st_size;
    return 0;
}

static int fill(int fd, unsigned char *data, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = pread(fd, data + got, size - got, (off_t) got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EBADF ? -EINVAL : -errno; /* not open for reading */
        if (n == 0)
            return -EIO;
        got += (size_t) n;
    }
    return 0;
}

int memfd_read(int fd, size_t max, struct secret *ret)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;
    size_t size = 0;
    int r;

    r = measure(fd, max, &size);
    if (r == 0)
        r = secret_new(size, &s);
    if (r == 0)
        r = fill(fd, s.data, size);
    if (r < 0)
        return r;
    *ret = secret_take(&s);
    return 0;
}

int memfd_read_into(int fd, void *buffer, size_t max)
{
    size_t size = 0;
    int r;

    r = measure(fd, max < INT_MAX ? max : INT_MAX, &size);
    if (r == 0)
        r = fill(fd, buffer, size);
    return r < 0 ? r : (int) size;
}
