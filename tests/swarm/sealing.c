/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sealing.h"

#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/file.h"
#include "test.h"

#define TYPE_SIZE 32 /* what stands before the payload in a credential of the host key */

_Atomic bool seal_fails;
_Atomic int seals_left = -1;

static pthread_t thread;
static int listening;

static const unsigned char host_type[TYPE_SIZE] = { 0x5a, 0x1c, 0x6a, 0x86, 0xdf, 0x9d, 0x40, 0x96, 0xb1, 0xd5, 0xa6, 0x5e, 0x08, 0x62, 0xf1, 0x9a,
                                                    32, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0 };

static void seal(int fd)
{
    static unsigned char bin[65536];
    static char text[131072];
    size_t n = TYPE_SIZE;
    ssize_t got;

    memcpy(bin, host_type, TYPE_SIZE);
    memset(bin + n, 0, 28);
    n += 28;
    while ((got = read(fd, bin + n, sizeof(bin) - n)) > 0)
        n += (size_t) got;
    if (seal_fails || seals_left == 0)
        return;
    if (seals_left > 0)
        seals_left--;
    CHECK(sodium_bin2base64(text, sizeof(text), bin, n, sodium_base64_VARIANT_ORIGINAL));
    CHECK(write(fd, text, strlen(text)) == (ssize_t) strlen(text));
}

static void *seal_helper(void *data)
{
    int fd_of = *(int *) data;

    for (;;) {
        int fd = accept4(fd_of, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return NULL;
        seal(fd);
        (void) close(fd);
    }
}

void sealing_unseal(const char *state, const char *credentials)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL, bin = SECRET_NULL;
    char from[PATH_MAX], to[PATH_MAX];
    size_t n;

    CHECK_OK(path_join(from, state, "creds/keys"));
    CHECK_OK(path_join(to, credentials, "swarm_keys"));
    (void) unlink(to);
    if (file_read(from, 1 << 20, &text, NULL) < 0)
        return;
    CHECK_OK(secret_new(text.size, &bin));
    CHECK_OK(sodium_base642bin(bin.data, bin.size, (char *) text.data, text.size, "\n", &n, NULL, sodium_base64_VARIANT_ORIGINAL));
    CHECK_OK(file_write(to, bin.data + TYPE_SIZE + 28, n - TYPE_SIZE - 28, 0600, NULL));
}

void sealing_begin(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    CHECK(strlen(path) < sizeof(a.sun_path));
    (void) strcpy(a.sun_path, path);
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listening >= 0 && bind(listening, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(listening, 16) == 0);
    CHECK(pthread_create(&thread, NULL, seal_helper, &listening) == 0);
}

void sealing_end(void)
{
    (void) shutdown(listening, SHUT_RDWR);
    (void) pthread_join(thread, NULL);
    (void) close(listening);
}
