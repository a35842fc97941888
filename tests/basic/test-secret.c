/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "test.h"

static void test_secret(void)
{
    _cleanup_(secret_done) struct secret a = SECRET_NULL, b = SECRET_NULL, none = SECRET_NULL;

    CHECK_OK(secret_new(3, &a));
    CHECK(memcmp(a.data, "\0\0\0", 3) == 0);
    secret_done(&a);
    CHECK(!a.data && a.size == 0);
    secret_done(&a);
    CHECK_OK(secret_copy("abcdef", 6, &a));
    secret_truncate(&a, 2);
    CHECK(a.size == 2 && memcmp(a.data, "ab\0\0\0", 5) == 0);
    b = secret_take(&a);
    CHECK(!a.data && b.size == 2);
    CHECK_OK(secret_copy(NULL, 0, &none));
    CHECK(none.size == 0);
    CHECK(secret_new(SECRET_MAX + 1UL, &a) == -EMSGSIZE && !a.data);
}

/* The page behind a secret is not there to read. */
static void test_guard(void)
{
    int status;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        struct secret s;

        (void) signal(SIGSEGV, SIG_DFL);
        if (secret_new(1, &s) < 0)
            _exit(2);
        _exit(((volatile unsigned char *) s.data)[1]);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_error(void)
{
    char big[ERROR_TEXT_MAX * 2];
    struct error e;

    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = 0;
    CHECK(error_set(&e, -EIO, "%d%s", 1, "a") == -EIO && strcmp(e.text, "1a") == 0);
    CHECK(error_set(NULL, -EIO, "%d", 1) == -EIO);
    CHECK(error_set(&e, -EIO, "%s", big) == -EIO && strlen(e.text) == ERROR_TEXT_MAX - 1);
}

int main(void)
{
    CHECK_OK(secret_init());
    test_secret();
    test_guard();
    test_error();
    return 0;
}
