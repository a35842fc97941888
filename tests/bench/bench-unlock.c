/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one unlock by Tang takes here and with the clevis command, on the same tangd, which this starts; and what a Shamir sharing over three
 * servers of different speed takes beside the server that decides. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "unlock/operations.h"
#include "unlock/unlock_protocol.h"

#define TANGD "/usr/libexec/tangd"
#define CLEVIS "/usr/bin/clevis"
#define ROUNDS 15
#define SERVERS 3
#define PASSPHRASE "the passphrase of a keyslot"

static char folder[] = "/tmp/bench-unlock-XXXXXX";
static pid_t children[1 + SERVERS];
static unsigned n_children;

static void clean_up(void)
{
    for (unsigned i = 0; i < n_children; i++)
        (void) kill(-children[i], SIGKILL);
    if (folder[sizeof(folder) - 2] != 'X') {
        char command[64];

        (void) snprintf(command, sizeof(command), "rm -rf %s", folder);
        if (system(command) != 0)
            (void) fprintf(stderr, "bench-unlock: %s is left\n", folder);
    }
}

_Noreturn static void fail(const char *what, const char *why)
{
    (void) fprintf(stderr, "bench-unlock: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return 1000 * (double) ts.tv_sec + (double) ts.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}

static double median(double values[static ROUNDS])
{
    qsort(values, ROUNDS, sizeof(double), by_value);
    return values[ROUNDS / 2];
}

/* tangd tells of each request, clevis of servers that it did not wait for. */
static void silence(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void) dup2(fd, 2);
}

/* A child in a process group of its own. */
static pid_t child(void)
{
    pid_t pid = fork();

    if (pid < 0)
        fail("fork", strerror(errno));
    if (pid == 0) {
        n_children = 0;
        (void) setpgid(0, 0);
    } else {
        (void) setpgid(pid, pid);
        children[n_children++] = pid;
    }
    return pid;
}

static int socket_new(uint16_t *ret_port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *) &a, size) < 0 || listen(fd, 16) < 0 || getsockname(fd, (struct sockaddr *) &a, &size) < 0)
        fail("socket", strerror(errno));
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static int dial(uint16_t port)
{
    const struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *) &a, sizeof(a)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static uint16_t start_tangd(void)
{
    char port_text[8];
    uint16_t port;
    int fd = socket_new(&port);

    close(fd);
    (void) snprintf(port_text, sizeof(port_text), "%u", port);
    if (child() == 0) {
        silence();
        (void) execl(TANGD, TANGD, "-l", "-p", port_text, folder, (char *) NULL);
        _exit(99);
    }
    for (int i = 0; i < 500 && (fd = dial(port)) < 0; i++)
        (void) poll(NULL, 0, 10);
    if (fd < 0)
        fail(TANGD, "does not listen");
    close(fd);
    return port;
}

static void pass_on(int from, int to)
{
    char buffer[8192];
    struct pollfd p[] = { { .fd = from, .events = POLLIN }, { .fd = to, .events = POLLIN } };

    for (;;) {
        if (poll(p, 2, -1) < 0)
            return;
        for (int i = 0; i < 2; i++)
            if (p[i].revents) {
                ssize_t n = read(p[i].fd, buffer, sizeof(buffer));
                if (n <= 0 || write(p[1 - i].fd, buffer, (size_t) n) != n)
                    return;
            }
    }
}

/* The same tangd at another port, slower. */
static uint16_t start_delay(uint16_t tangd, int delay_ms)
{
    uint16_t port;
    int listening = socket_new(&port);

    if (child() == 0) {
        (void) signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int from = accept(listening, NULL, NULL);

            if (from >= 0 && fork() == 0) {
                (void) poll(NULL, 0, delay_ms);
                pass_on(from, dial(tangd));
                _exit(0);
            }
            close(from);
        }
    }
    close(listening);
    return port;
}

static struct secret run(char operation, const void *data, size_t size)
{
    struct secret body, reply;
    struct error e = { "" };

    if (secret_copy(data, size, &body) < 0)
        fail("memory", "none");
    if (operation_run(operation, &body, -1, &reply, &e) < 0)
        fail("exchange", e.text);
    secret_done(&body);
    return reply;
}

static json_t *tang_pin(uint16_t port)
{
    char url[64];
    struct secret reply;
    json_auto_t *advertised = NULL;

    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    reply = run(UNLOCK_ADVERTISE, url, strlen(url));
    advertised = json_loadb((char *) reply.data, reply.size, 0, NULL);
    secret_done(&reply);
    return json_pack("{s:s, s:{s:s, s:O}}", "pin", "tang", "tang", "url", url, "adv", json_object_get(advertised, "adv"));
}

/* Takes the pin. */
static struct secret encrypt(json_t *pin)
{
    char request[65536], *text = json_dumps(pin, JSON_COMPACT);
    int n = text ? snprintf(request, sizeof(request), "%s%c%s", text, 0, PASSPHRASE) : -1;

    if (n < 0 || (size_t) n >= sizeof(request))
        fail("pin", "too long");
    free(text);
    json_decref(pin);
    return run(UNLOCK_ENCRYPT, request, (size_t) n);
}

static double native(const struct secret *jwe)
{
    double times[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        double start = now();
        struct secret plaintext = run(UNLOCK_DECRYPT, jwe->data, jwe->size);

        times[i] = now() - start;
        if (plaintext.size != strlen(PASSPHRASE) || memcmp(plaintext.data, PASSPHRASE, plaintext.size) != 0)
            fail("exchange", "another passphrase");
        secret_done(&plaintext);
    }
    return median(times);
}

static void decrypt_with_clevis(const char *path)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        int in = open(path, O_RDONLY), out = open("/dev/null", O_WRONLY);

        silence();
        if (in >= 0 && out >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1)
            (void) execl(CLEVIS, CLEVIS, "decrypt", (char *) NULL);
        _exit(99);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        fail("clevis decrypt", "failed");
}

/* clevis reads the compact form only. */
static void write_compact(const struct secret *jwe, const char *path)
{
    json_auto_t *j = json_loadb((char *) jwe->data, jwe->size, 0, NULL);
    const char *protected, *key, *iv, *text, *tag;
    FILE *f = fopen(path, "we");

    if (!f || json_unpack(j, "{s:s, s:s, s:s, s:s, s:s}", "protected", &protected, "encrypted_key", &key, "iv", &iv, "ciphertext", &text,
                          "tag", &tag) < 0)
        fail(path, "cannot be written");
    (void) fprintf(f, "%s.%s.%s.%s.%s", protected, key, iv, text, tag);
    (void) fclose(f);
}

static double command(const struct secret *jwe)
{
    double times[ROUNDS];
    char path[64];

    (void) snprintf(path, sizeof(path), "%s/jwe", folder);
    write_compact(jwe, path);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now();

        decrypt_with_clevis(path);
        times[i] = now() - start;
    }
    return median(times);
}

static void print(const char *what, double value, const char *unit, const char *goal)
{
    (void) printf("%-44s %10.1f %-4s  goal %s\n", what, value, unit, goal);
    (void) fflush(stdout);
}

static void measure_one(uint16_t tangd)
{
    struct secret jwe = encrypt(tang_pin(tangd));
    double here = native(&jwe), there = command(&jwe);

    secret_done(&jwe);
    print("one Tang server, median", here, "ms", "-");
    print("  clevis decrypt, the same server, median", there, "ms", "-");
    print("  times faster than clevis decrypt", there / here, "x", ">= 10");
}

static void measure_shares(uint16_t tangd)
{
    static const int delays[SERVERS] = { 0, 100, 300 };
    json_t *pins = json_array();
    struct secret second = SECRET_NULL, all;
    double own, total, theirs;

    for (unsigned i = 0; i < SERVERS; i++) {
        uint16_t port = start_delay(tangd, delays[i]);

        if (i == 1)
            second = encrypt(tang_pin(port));
        (void) json_array_append_new(pins, tang_pin(port));
    }
    all = encrypt(json_pack("{s:s, s:{s:i, s:o}}", "pin", "sss", "sss", "t", 2, "pins", pins));
    own = native(&second);
    total = native(&all);
    theirs = command(&all);
    secret_done(&second);
    secret_done(&all);
    print("2 of 3 servers (0, 100, 300 ms), median", total, "ms", "-");
    print("  the second fastest alone, median", own, "ms", "-");
    print("  share of the second fastest's time", 100 * total / own, "%", "<= 120");
    print("  clevis decrypt, the same servers, median", theirs, "ms", "-");
}

int main(void)
{
    uint16_t tangd;

    if (access(TANGD, X_OK) < 0 || access(CLEVIS, X_OK) < 0) {
        puts("skipped: tangd and clevis are not both installed");
        return 0;
    }
    if (secret_init() < 0 || !mkdtemp(folder) || atexit(clean_up) != 0)
        fail("start", strerror(errno));
    tangd = start_tangd();
    measure_one(tangd);
    measure_shares(tangd);
    return 0;
}
