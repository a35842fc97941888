/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "basic/memfd.h"
#include "test.h"

/* A memfd of a sender who keeps some way to change it. */
static int loose(const char *text, int seals)
{
    int fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
    CHECK(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static void test_round_trip(void)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;
    _cleanup_close_ int fd = memfd_new("key", 3), empty = memfd_new(NULL, 0);

    CHECK_OK(fd);
    CHECK_OK(empty);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(pwrite(fd, "x", 1, 0) < 0 && errno == EPERM);
    CHECK(ftruncate(fd, 0) < 0 && errno == EPERM);
    CHECK(lseek(fd, 2, SEEK_SET) == 2); /* where its sender left off does not matter */
    CHECK(memfd_read(fd, 2, &s) == -EMSGSIZE && !s.data);
    CHECK_OK(memfd_read(fd, 3, &s));
    CHECK(s.size == 3 && memcmp(s.data, "key", 3) == 0);
    secret_done(&s);
    CHECK_OK(memfd_read(empty, 0, &s));
    CHECK(s.size == 0);
}

static void test_into(void)
{
    _cleanup_close_ int fd = memfd_new("key", 3), unsealed = loose("key", F_SEAL_WRITE);
    char buffer[4] = "....";

    CHECK(memfd_read_into(fd, buffer, 2) == -EMSGSIZE && memfd_read_into(unsealed, buffer, 4) == -EINVAL);
    CHECK(memcmp(buffer, "....", 4) == 0);
    CHECK(memfd_read_into(fd, buffer, 4) == 3 && memcmp(buffer, "key.", 4) == 0);
}

static void test_hostile(void)
{
    static const int not_enough[] = { 0, F_SEAL_SHRINK | F_SEAL_GROW, F_SEAL_WRITE | F_SEAL_GROW, F_SEAL_WRITE | F_SEAL_SHRINK,
                                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };
    _cleanup_(secret_done) struct secret s = SECRET_NULL;
    _cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC), huge = -1;
    int pipes[2];

    for (unsigned i = 0; i < ELEMENTSOF(not_enough); i++) {
        _cleanup_close_ int fd = loose("key", not_enough[i]);

        CHECK(memfd_read(fd, 100, &s) == -EINVAL && !s.data);
    }
    CHECK(memfd_read(file, SECRET_MAX, &s) == -EINVAL);
    CHECK(memfd_read(null, SECRET_MAX, &s) == -EINVAL);
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    CHECK(memfd_read(pipes[0], SECRET_MAX, &s) == -EINVAL);
    CHECK(memfd_read(-1, SECRET_MAX, &s) == -EBADF);

    huge = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(ftruncate(huge, INT64_C(1) << 40) == 0);
    CHECK(fcntl(huge, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
    CHECK(memfd_read(huge, SIZE_MAX, &s) == -EMSGSIZE && !s.data);
    CHECK(memfd_new("", SECRET_MAX + 1UL) == -EMSGSIZE);
}

int main(void)
{
    CHECK_OK(secret_init());
    test_round_trip();
    test_into();
    test_hostile();
    return 0;
}
