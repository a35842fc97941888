/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/file.h"
#include "keys/credential.h"
#include "test.h"

static struct error e;

/* One of the right form: the type, AES-256-GCM's sizes, and bytes that stand for the rest. */
static size_t sealed_text(const char *type, char *ret, size_t size)
{
    static const unsigned char sizes[16] = { 32, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0 };
    unsigned char bin[100] = { 0 };

    CHECK_OK(sodium_hex2bin(bin, 16, type, strlen(type), NULL, NULL, NULL));
    memcpy(bin + 16, sizes, sizeof(sizes));
    CHECK(sodium_bin2base64(ret, size, bin, sizeof(bin), sodium_base64_VARIANT_ORIGINAL));
    return strlen(ret);
}

/* see credential.c */
#define HOST "5a1c6a86df9d4096b1d5a65e0862f19a"
#define NULL_KEY "058469daf6f54324800549da0f8ea2fb"

static void test_check(void)
{
    static const struct {
        const char *type;
        int result;
    } types[] = {
        { HOST, 0 },
        { "0c7cc07b117645919c4b0bea08bc20fe", 0 },
        { "faf7eb9341e3412ca1a436f95a29362f", 0 },
        { "93a894094874449090caf2fc93cab553", 0 },
        { "af4950a849134eb1a73846304ff30c05", 0 },
        { NULL_KEY, -EBADMSG },
        { "55b9ed1d38594d43a8319d2ebb332ac6", -EBADMSG }, /* a user's */
        { "00000000000000000000000000000000", -EBADMSG },
        { "a219cb0785b24c04b16d18cab9d2ee01", -EBADMSG },
    };
    char text[300], *p;
    size_t n;

    for (unsigned i = 0; i < ELEMENTSOF(types); i++) {
        n = sealed_text(types[i].type, text, sizeof(text));
        CHECK(credential_check_sealed(text, n) == types[i].result);
    }
    n = sealed_text(HOST, text, sizeof(text));
    for (size_t i = 0; i < n - 8; i++)
        CHECK(credential_check_sealed(text, i) == -EBADMSG || i >= 80);
    memmove(text + 77, text + 76, n - 76 + 1);
    text[76] = '\n';
    CHECK_OK(credential_check_sealed(text, n + 1));
    text[n + 1] = '\n';
    CHECK_OK(credential_check_sealed(text, n + 2));
    text[n + 2] = 0;
    CHECK(credential_check_sealed(text, n + 3) == -EBADMSG);
    text[60] = '\303';
    CHECK(credential_check_sealed(text, n + 2) == -EBADMSG);
    text[60] = '*';
    CHECK(credential_check_sealed(text, n + 2) == -EBADMSG);
    text[60] = 'A';
    CHECK_OK(credential_check_sealed(text, n + 2));
    CHECK(credential_check_sealed("", 0) == -EBADMSG);
    CHECK(credential_check_sealed("\n", 1) == -EBADMSG);
    CHECK(credential_check_sealed(NULL, CREDENTIAL_SEALED_MAX + 1) == -EBADMSG);
    n = sealed_text(HOST, text, sizeof(text));
    for (p = text + 22; p < text + 40; p++) { /* the sizes in the header */
        char was = *p;

        *p = was == 'A' ? 'B' : 'A';
        if (was != 'A')
            CHECK(credential_check_sealed(text, n) == -EBADMSG);
        *p = was;
    }
}

static void test_load(void)
{
    static const char *const bad[] = { "", ".", "..", "a/b", "/a", "a b", "a\n", "\303\251", "a:b",
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    char folder[PATH_MAX];
    _cleanup_(secret_done) struct secret s = SECRET_NULL;

    CHECK(unsetenv("CREDENTIALS_DIRECTORY") == 0);
    CHECK(credential_load("keys", &s, &e) == -ENOENT && strstr(e.text, "keys"));
    CHECK(getcwd(folder, sizeof(folder)) && setenv("CREDENTIALS_DIRECTORY", folder, 1) == 0);
    for (unsigned i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(credential_load(bad[i], &s, &e) == -EINVAL && !s.data);
    CHECK(credential_load("keys", &s, &e) == -ENOENT);
    CHECK_OK(file_write("swarm_keys-1.x", "bundle", 6, 0400, &e));
    CHECK_OK(credential_load("swarm_keys-1.x", &s, &e));
    CHECK(s.size == 6 && memcmp(s.data, "bundle", 6) == 0);
    secret_done(&s);
    CHECK(truncate("swarm_keys-1.x", CREDENTIAL_PLAIN_MAX + 1) == 0);
    CHECK(credential_load("swarm_keys-1.x", &s, &e) == -EMSGSIZE && !s.data);
    CHECK(setenv("CREDENTIALS_DIRECTORY", "relative", 1) == 0);
    CHECK(credential_load("keys", &s, &e) == -EINVAL);
    CHECK(unlink("swarm_keys-1.x") == 0);
}

/* --- a seal helper to each test's wish --- */

static int listen_at(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) unlink(path);
    strcpy(a.sun_path, path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 1) == 0);
    return fd;
}

static void drain(int fd)
{
    char b[4096];

    while (read(fd, b, sizeof(b)) > 0)
        ;
}

static void reply(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, text, n);

        if (w < 0)
            _exit(1);
        text += w;
        n -= (size_t) w;
    }
}

static void serve_sealed(int fd)
{
    char text[300];
    size_t n = sealed_text(HOST, text, sizeof(text));

    drain(fd);
    for (size_t i = 0; i < n; i += 10) { /* in pieces */
        reply(fd, text + i, n - i < 10 ? n - i : 10);
        (void) usleep(500);
    }
}

static void serve_null_key(int fd)
{
    char text[300];
    size_t n = sealed_text(NULL_KEY, text, sizeof(text));

    drain(fd);
    reply(fd, text, n);
}

static void serve_nothing(int fd)
{
    drain(fd);
}

static void serve_too_much(int fd)
{
    static char many[CREDENTIAL_SEALED_MAX + 1];

    drain(fd);
    memset(many, 'A', sizeof(many));
    reply(fd, many, sizeof(many));
}

static void serve_hang_up(int fd _unused_)
{
}

static void serve_never(int fd _unused_)
{
    (void) pause();
}

/* Bytes now and then, never an end: the limit is for the whole. */
static void serve_drip(int fd)
{
    drain(fd);
    for (;;) {
        reply(fd, "A", 1);
        (void) usleep(20000);
    }
}

static void systemd_creds(int fd, const char *key)
{
    char arg[64];

    (void) snprintf(arg, sizeof(arg), "--with-key=%s", key);
    CHECK(dup2(fd, 0) == 0 && dup2(fd, 1) == 1);
    (void) freopen("/dev/null", "w", stderr);
    (void) execlp("systemd-creds", "systemd-creds", "encrypt", arg, "--name=keys", "-", "-", NULL);
    _exit(127);
}

static void serve_systemd_host(int fd)
{
    systemd_creds(fd, "host");
}

static void serve_systemd_null(int fd)
{
    systemd_creds(fd, "null");
}

static int store(void (*serve)(int), const struct secret *plain)
{
    int r, status, listener = listen_at("helper");
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        int fd = accept(listener, NULL, NULL);

        (void) signal(SIGPIPE, SIG_DFL);
        serve(fd);
        _exit(0);
    }
    r = credential_store("helper", "creds/keys", "temporary", plain, &e);
    (void) kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
    (void) close(listener);
    return r;
}

static bool stored(const char *begin)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;

    return file_read("creds/keys", CREDENTIAL_SEALED_MAX, &s, NULL) == 0 && s.size >= strlen(begin) &&
           memcmp(s.data, begin, strlen(begin)) == 0;
}

static void test_store(void)
{
    _cleanup_(secret_done) struct secret plain = SECRET_NULL, big = SECRET_NULL, old = SECRET_NULL;
    char was[8];
    struct stat st;
    int fd;

    CHECK(mkdir("creds", 0700) == 0 && mkdir("temporary", 0700) == 0);
    CHECK_OK(secret_random(CREDENTIAL_PLAIN_MAX, &plain));
    CHECK_OK(file_write("creds/keys", "old blob", 8, 0600, &e));
    fd = open("creds/keys", O_RDONLY | O_CLOEXEC);

    /* every failure leaves the old one, and nothing beside it */
    CHECK(credential_store("nobody", "creds/keys", "temporary", &plain, &e) == -ENOENT && strstr(e.text, "nobody"));
    CHECK(store(serve_nothing, &plain) == -EBADMSG && strstr(e.text, "empty"));
    CHECK(store(serve_null_key, &plain) == -EBADMSG && strstr(e.text, "creds/keys"));
    CHECK(store(serve_too_much, &plain) == -EMSGSIZE);
    CHECK(store(serve_hang_up, &plain) < 0);
    CHECK_OK(secret_new(CREDENTIAL_PLAIN_MAX + 1, &big));
    CHECK(credential_store("helper", "creds/keys", "temporary", &big, &e) == -EMSGSIZE);
    CHECK(stored("old blob"));
    CHECK(rmdir("temporary") == 0 && mkdir("temporary", 0700) == 0);

    CHECK_OK(store(serve_sealed, &plain));
    CHECK(stored("Whxqht+dQJax1aZeCGLxmiAAAAABAAAADAAAABAAAA"));
    CHECK(stat("creds/keys", &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(rmdir("temporary") == 0 && mkdir("temporary", 0700) == 0);
    CHECK(pread(fd, was, 8, 0) == 8 && memcmp(was, "old blob", 8) != 0); /* the old one's bytes are gone, too */
    (void) close(fd);
}

static void test_timeout(void)
{
    _cleanup_(secret_done) struct secret plain = SECRET_NULL;
    struct timespec a, b;

    CHECK_OK(secret_random(CREDENTIAL_PLAIN_MAX, &plain));
    (void) clock_gettime(CLOCK_MONOTONIC, &a);
    CHECK(store(serve_never, &plain) == -ETIMEDOUT);
    CHECK(store(serve_drip, &plain) == -ETIMEDOUT);
    (void) clock_gettime(CLOCK_MONOTONIC, &b);
    CHECK(b.tv_sec - a.tv_sec < 5);
}

/* The real tool, with a host key of our own. */
static void test_systemd_creds(void)
{
    _cleanup_(secret_done) struct secret plain = SECRET_NULL, back = SECRET_NULL;
    char folder[PATH_MAX], secret[PATH_MAX + 8];

    CHECK(getcwd(folder, sizeof(folder)));
    (void) snprintf(secret, sizeof(secret), "%s/secret", folder);
    CHECK(setenv("SYSTEMD_CREDENTIAL_SECRET", secret, 1) == 0);
    if (system("systemd-creds encrypt --with-key=host --name=x /dev/null - >/dev/null 2>&1") != 0) {
        (void) fprintf(stderr, "not tried: systemd-creds, which does not work here\n");
        return;
    }
    CHECK_OK(secret_random(8192, &plain));
    CHECK(store(serve_systemd_null, &plain) == -EBADMSG);
    CHECK_OK(store(serve_systemd_host, &plain));
    CHECK(system("systemd-creds decrypt --name=keys creds/keys back 2>/dev/null") == 0);
    CHECK_OK(file_read("back", 8192, &back, &e));
    CHECK(back.size == 8192 && memcmp(back.data, plain.data, 8192) == 0);
    CHECK_OK(file_erase("back", &e));
    CHECK_OK(file_erase("secret", &e));
}

int main(void)
{
    char folder[] = "/tmp/test-credential.XXXXXX";

    CHECK_OK(secret_init());
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    test_check();
    test_load();
    test_store();
    test_timeout();
    test_systemd_creds();
    CHECK_OK(folder_remove("creds", &e));
    CHECK_OK(folder_remove("temporary", &e));
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
